/** A number with separators, the same for every reader. */
export function inDigits(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

/** An exact decimal with separators, however long it is: "12,345.5". */
export function decimalInDigits(decimal: string): string {
  const [whole = "", places] = decimal.split(".");
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, ",");
  return places === undefined ? grouped : `${grouped}.${places}`;
}

/** A rate: with a decimal where it is small. */
export function asRate(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
}

/** A length of time in its largest unit that says enough: "40 s", "12 min", "5 h", "3 days". */
export function asAge(seconds: number): string {
  const whole = Math.max(0, seconds);
  if (whole < 120) return `${Math.round(whole)} s`;
  if (whole < 7_200) return `${Math.round(whole / 60)} min`;
  if (whole < 172_800) return `${Math.round(whole / 3_600)} h`;
  return `${Math.round(whole / 86_400)} days`;
}

export function secondsBetween(from: Date, to: Date): number {
  return (to.getTime() - from.getTime()) / 1_000;
}

/** "1 reading", "2 readings". */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${inDigits(count)} ${count === 1 ? one : more}`;
}
