/**
 * How far another clock is ahead of ours, in milliseconds, if it was read in the middle of the time that the reading
 * took. Undefined when the reading yields no time.
 */
export async function readAheadMs(
  readOther: () => Promise<Date | undefined>,
  now: () => Date,
): Promise<number | undefined> {
  const askedAtMs = now().getTime();
  const other = await readOther();
  const answeredAtMs = now().getTime();
  return other === undefined ? undefined : other.getTime() - (askedAtMs + answeredAtMs) / 2;
}
