/** A failure in words, with what caused it, and what caused that. */
export function describeFailure(failure: unknown): string {
  if (!(failure instanceof Error)) return String(failure);
  return failure.cause === undefined
    ? failure.message
    : `${failure.message}: ${describeFailure(failure.cause)}`;
}
