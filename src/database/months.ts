/** The first instant of the UTC month that `at` lies in. */
export function startOfMonth(at: Date): Date {
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1));
}

/** The first instant of the UTC month `months` later (or earlier, when negative) than the month of `at`. */
export function addMonths(at: Date, months: number): Date {
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + months, 1));
}

/** The first instants of all UTC months from that of `first` to that of `last`, both included. */
export function monthsBetween(first: Date, last: Date): Date[] {
  const months: Date[] = [];
  for (let month = startOfMonth(first); month <= last; month = addMonths(month, 1)) months.push(month);
  return months;
}
