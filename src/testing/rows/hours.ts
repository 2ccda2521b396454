export const hourMs = 3_600_000;

/** The start of the UTC hour that `at` lies in. */
export function startOfHour(at: Date): Date {
  return new Date(at.getTime() - (at.getTime() % hourMs));
}

// Read once, so that an hour that ends during a test moves nothing in it.
const presentHour = startOfHour(new Date());

/** A moment `minutes` into the UTC hour that began `hours` whole hours before the present one. */
export function hoursAgo(hours: number, minutes = 0): Date {
  return new Date(presentHour.getTime() - hours * hourMs + minutes * 60_000);
}
