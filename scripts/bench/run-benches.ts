import { describeFailure } from "../process/describe-failure.ts";
import { startOrphanGuard } from "../../src/testing/processes/orphan-guard.ts";
import { onStopRequest } from "../process/stop-request.ts";
import { createTeardown } from "../process/teardown.ts";
import { type Bench, benches } from "./benches.ts";
import type { Comparison, Skipped } from "./comparison.ts";
import type { BenchFlags } from "./flags.ts";
import { describeMachine } from "./machine.ts";
import { writeResults } from "./results.ts";
import { prepareSite } from "./site/site.ts";
import { renderTable } from "./table.ts";

const exitCodeFailed = 1;

/** Runs benches one after the other and prints their table. Returns the exit code; a missed target is no failure. */
export async function runBenches(flags: BenchFlags & { kind: "run" }): Promise<number> {
  const ending = new AbortController();
  onStopRequest((request) => {
    ending.abort(request);
    console.error(request.message);
  });
  const results: (Comparison | Skipped)[] = [];
  let exitCode = 0;
  for (const name of flags.names) {
    if (ending.signal.aborted) return exitCodeFailed;
    const startedAtMs = performance.now();
    try {
      const { measured, postgresVersion } = await underTeardown(flags, ending.signal, benches[name]);
      results.push(...measured);
      const file = await writeResults({ flags, results, machine: describeMachine(postgresVersion) });
      const seconds = Math.round((performance.now() - startedAtMs) / 1_000);
      console.error(`${name}: ${seconds} s, so far in ${file}`);
    } catch (error) {
      exitCode = exitCodeFailed;
      console.error(`${name} failed: ${describeFailure(error)}`);
    }
  }
  if (results.length > 0) console.log(`\n${renderTable(results)}\n`);
  return exitCode;
}

/** Every bench has a Postgres of its own, and leaves no process behind. */
async function underTeardown(
  { rounds, seconds: secondsPerRound, minutes, millions, form, seedFolder }: BenchFlags & { kind: "run" },
  signal: AbortSignal,
  bench: Bench,
): Promise<{ measured: (Comparison | Skipped)[]; postgresVersion: string }> {
  const teardown = createTeardown();
  const guard = startOrphanGuard();
  teardown.add(async () => guard.dismiss());
  try {
    const site = await prepareSite({
      rounds,
      secondsPerRound,
      minutes,
      millions,
      form,
      seedFolder,
      teardown,
      guard,
      signal,
    });
    const { postgresVersion } = site;
    const stopped = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => stopped.reject(signal.reason));
    return { measured: await Promise.race([bench(site), stopped.promise]), postgresVersion };
  } finally {
    await teardown.run();
  }
}
