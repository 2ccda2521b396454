import fc from "fast-check";
import { expect, test } from "vitest";
import { patienceMs } from "../../testing/processes/patience.ts";
import { findDifferences } from "./books.ts";
import { anyCommands, drain, startRun } from "./commands.ts";

/** `MODEL_RUNS` makes it more, `MODEL_SEED` repeats what a failure printed. */
const runs = Number(process.env["MODEL_RUNS"] ?? 40);
const seed = process.env["MODEL_SEED"];
/** A run makes a database, which takes half a second on an idle machine and some seconds on a busy one. */
const runsTakeMs = patienceMs(60_000 + runs * 6_000);
/** What fails is run again in ever smaller parts, which ends in time to be told. */
const failureToldMs = patienceMs(60_000);

test(
  "whatever happens in whatever order, Stripe never bills more than was posted, and in the end exactly that, but for what is too old",
  { timeout: runsTakeMs + failureToldMs },
  async () => {
    await fc.assert(
      fc.asyncProperty(anyCommands, async (commands) => {
        const run = await startRun();
        try {
          await fc.asyncModelRun(() => ({ model: {}, real: run }), commands);
          await drain(run);
          expect(await findDifferences(run.world)).toEqual([]);
        } finally {
          await run.world.close();
        }
      }),
      {
        numRuns: runs,
        interruptAfterTimeLimit: runsTakeMs,
        markInterruptAsFailure: true,
        ...(seed !== undefined && { seed: Number(seed) }),
      },
    );
  },
);
