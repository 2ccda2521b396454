import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Comparison, isMet, ratioOf, type Skipped } from "./comparison.ts";
import type { Machine } from "./machine.ts";
import { summarize } from "./statistics.ts";

const folder = fileURLToPath(new URL("../../bench-results/", import.meta.url));
const startedAt = new Date();

export type Results = {
  flags: { names: readonly string[]; rounds: number; seconds: number };
  machine: Machine;
  results: readonly (Comparison | Skipped)[];
};

/** Writes everything that was measured so far, every round of it, to one file of this run. Returns its path. */
export async function writeResults({ flags, machine, results }: Results): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = `${folder}${startedAt.toISOString().replaceAll(":", "-")}.json`;
  const content = {
    started_at: startedAt.toISOString(),
    benches: flags.names,
    rounds: flags.rounds,
    seconds_per_round: flags.seconds,
    machine,
    results: results.map((result) => ("skipped" in result ? result : withSummary(result))),
  };
  await writeFile(file, `${JSON.stringify(content, null, 2)}\n`);
  return file;
}

function withSummary(result: Comparison) {
  return {
    ...result,
    ratio: ratioOf(result),
    met: isMet(result) ?? null,
    summary: { ours: summarize(result.ours), theirs: summarize(result.theirs) },
  };
}
