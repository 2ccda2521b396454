/** Attempts by the time they took: key n counts those of at most `growth`^n ms, and more than `growth`^(n - 1). */
export type Latencies = Readonly<Record<string, number>>;

/** Each step is a tenth longer than the one before, so that a percentile is told within a twentieth. */
export const growth = 1.1;
/** Longer than any request may take. */
export const stepMax = 150;

/** The milliseconds within which this share of the attempts ended, within 5 %; null where there was none. */
export function percentileOf(latencies: Latencies, share: number): number | null {
  const steps = Object.entries(latencies)
    .map(([step, attempts]) => ({ step: Number(step), attempts }))
    .toSorted((a, b) => a.step - b.step);
  const all = steps.reduce((sum, { attempts }) => sum + attempts, 0);
  let passed = 0;
  for (const { step, attempts } of steps) {
    passed += attempts;
    if (passed >= all * share && passed > 0) return millisecondsOf(step);
  }
  return null;
}

/** In the middle of the step. */
function millisecondsOf(step: number): number {
  return step === 0 ? 1 : growth ** (step - 0.5);
}

export function mergeLatencies(parts: readonly Latencies[]): Latencies {
  const merged: Record<string, number> = {};
  for (const part of parts)
    for (const [step, attempts] of Object.entries(part)) merged[step] = (merged[step] ?? 0) + attempts;
  return merged;
}
