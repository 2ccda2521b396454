import fc from "fast-check";
import { expect, inject, test } from "vitest";
import { findDifferences } from "./books.ts";
import { anyCommands, drain, startRun } from "./commands.ts";

/** `MODEL_RUNS` makes it more, `MODEL_SEED` repeats what a failure printed. */
const runs = Number(process.env["MODEL_RUNS"] ?? 40);
const seed = process.env["MODEL_SEED"];
/** Each run makes a database, which has three nodes and the shards of each table on a cluster. */
const msPerRun = inject("testServer").cluster === undefined ? 2_000 : 12_000;

test(
  "whatever happens in whatever order, Stripe never bills more than was posted, and in the end exactly that, but for what is too old",
  { timeout: 60_000 + runs * msPerRun },
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
      { numRuns: runs, ...(seed !== undefined && { seed: Number(seed) }) },
    );
  },
);
