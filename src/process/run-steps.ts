import { messageOf } from "./message-of.ts";

type Step = readonly [name: string, run: () => Promise<unknown>];

/**
 * Runs each step, in order. One that fails stops none of the others; then what failed is thrown, with the steps' names and what
 * `describe` says of each error.
 */
export async function runSteps(
  steps: readonly Step[],
  describe: (error: unknown) => string = messageOf,
): Promise<void> {
  const failed: Error[] = [];
  for (const [name, run] of steps) {
    try {
      await run();
    } catch (error) {
      failed.push(new Error(`${name}: ${describe(error)}`, { cause: error }));
    }
  }
  const [first] = failed;
  if (failed.length > 1) throw new AggregateError(failed, failed.map(({ message }) => message).join("; "));
  if (first !== undefined) throw first;
}
