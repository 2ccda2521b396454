export type Contestant<T> = { name: string; run: () => Promise<T> };

/**
 * Lets contestants run in turns, `rounds` times each after one round that only warms up, and returns the figures of
 * each contestant's rounds, by its name. The order changes from round to round, so that none always follows the same
 * one.
 */
export async function interleave<T>(
  contestants: readonly Contestant<T>[],
  rounds: number,
): Promise<(name: string) => T[]> {
  const results = new Map(contestants.map(({ name }) => [name, [] as T[]]));
  for (let round = 0; round <= rounds; round += 1) {
    const first = round % contestants.length;
    for (const { name, run } of [...contestants.slice(first), ...contestants.slice(0, first)]) {
      const result = await run();
      if (round > 0) results.get(name)?.push(result);
    }
  }
  return (name) => {
    const measured = results.get(name);
    if (measured === undefined) throw new Error(`there is no contestant ${name}`);
    return measured;
  };
}
