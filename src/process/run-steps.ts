/** Runs each step, in order. One that fails stops none of the others; then what failed is thrown, with the steps' names. */
export async function runSteps(steps: readonly (readonly [string, () => Promise<unknown>])[]): Promise<void> {
  const failed: Error[] = [];
  for (const [name, run] of steps) {
    try {
      await run();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      failed.push(new Error(`${name}: ${reason}`, { cause: error }));
    }
  }
  const [first] = failed;
  if (failed.length > 1) throw new AggregateError(failed, failed.map(({ message }) => message).join("; "));
  if (first !== undefined) throw first;
}
