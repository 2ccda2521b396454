export type Summary = { median: number; min: number; max: number };

/** Median of some figures; the mean of the middle two when their number is even. Throws when there is none. */
export function medianOf(figures: readonly number[]): number {
  const sorted = figures.toSorted((one, other) => one - other);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  if (low === undefined || high === undefined) throw new RangeError("no figures, no median");
  return (low + high) / 2;
}

/** Median and spread of some figures. Throws when there is none. */
export function summarize(figures: readonly number[]): Summary {
  return { median: medianOf(figures), min: Math.min(...figures), max: Math.max(...figures) };
}

/** The value that this share (0 to 1) of the figures does not exceed. Throws when there is none. */
export function quantileOf(figures: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(figures).toSorted();
  const value = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new RangeError("no figures, no quantile");
  return value;
}
