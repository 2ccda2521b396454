export type Contestant<T> = { name: string; run: (round: { isWarmUp: boolean }) => Promise<T> };

/**
 * Lets contestants run in turns, `rounds` times each after rounds that only warm up, and returns the figures of each
 * contestant's rounds, by its name. The order changes from round to round, so that none always follows the same
 * one.
 */
export async function interleave<T>(
  contestants: readonly Contestant<T>[],
  rounds: number,
  { warmUpRounds = 1 }: { warmUpRounds?: number } = {},
): Promise<(name: string) => T[]> {
  const results = new Map(contestants.map(({ name }) => [name, [] as T[]]));
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    const first = round % contestants.length;
    for (const { name, run } of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      const isWarmUp = round < warmUpRounds;
      const result = await run({ isWarmUp });
      if (!isWarmUp) results.get(name)?.push(result);
    }
  }
  return (name) => {
    const measured = results.get(name);
    if (measured === undefined) throw new Error(`there is no contestant ${name}`);
    return measured;
  };
}
