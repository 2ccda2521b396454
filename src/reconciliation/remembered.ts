/** What was asked of Stripe in vain, by its id, with the time of the question. Lives as long as the process. */
export type Remembered = Map<string, number>;

/** The oldest are forgotten beyond. */
const rememberedMax = 10_000;

export function remember(remembered: Remembered, id: string, nowMs: number): void {
  // At the end, as the youngest.
  remembered.delete(id);
  remembered.set(id, nowMs);
  const [oldest] = remembered.keys();
  if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
}

/** When it was asked; undefined: never, as far as is known. */
export function askedAtMs(remembered: Remembered, id: string): number | undefined {
  return remembered.get(id);
}

/** Whether it was asked less than `forMs` ago. */
export function isRemembered(
  remembered: Remembered,
  id: string,
  { nowMs, forMs }: { nowMs: number; forMs: number },
): boolean {
  const atMs = askedAtMs(remembered, id);
  return atMs !== undefined && nowMs - atMs < forMs;
}
