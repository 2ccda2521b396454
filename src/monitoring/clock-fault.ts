/**
 * From here on this machine's clock and the database's are too far apart to work with: readings would be refused as
 * `in_future`, and webhook signatures are refused at five minutes.
 */
const apartMsMax = 60_000;

/** What is wrong with this machine's clock, this many milliseconds ahead of the database's; undefined: nothing. */
export function clockFault(aheadMs: number): string | undefined {
  if (Math.abs(aheadMs) < apartMsMax) return undefined;
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  return `this machine's is ${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} the database's`;
}
