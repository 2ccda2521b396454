import { benchAutovacuum } from "./benches/autovacuum.ts";
import { benchBooks } from "./benches/books.ts";
import { benchCitus } from "./benches/citus.ts";
import { benchConsole } from "./benches/console.ts";
import { benchDeliver } from "./benches/deliver.ts";
import { benchDeliverStream } from "./benches/deliver-stream.ts";
import { benchDrain } from "./benches/drain.ts";
import { benchDisk } from "./benches/disk.ts";
import { benchEndToEnd } from "./benches/end-to-end.ts";
import { benchEventCost } from "./benches/event-cost.ts";
import { benchGrowth } from "./benches/growth.ts";
import { benchIntakeBatch } from "./benches/intake-batch.ts";
import { benchIntakeNaive } from "./benches/intake-naive.ts";
import { benchIntakeSingle } from "./benches/intake-single.ts";
import { benchLatency } from "./benches/latency.ts";
import { benchMemory } from "./benches/memory.ts";
import { benchOverload } from "./benches/overload.ts";
import { benchMeters } from "./benches/meters.ts";
import { benchSeal } from "./benches/seal.ts";
import { benchTurns } from "./benches/turns.ts";
import { benchYear } from "./benches/year.ts";
import type { Comparison, Skipped } from "./comparison.ts";
import type { BenchName } from "./names.ts";
import type { Site } from "./site/site.ts";

/** Measures on a Postgres of its own; throws when any part of the measurement failed. */
export type Bench = (site: Site) => Promise<(Comparison | Skipped)[]>;

export const benches: Record<BenchName, Bench> = {
  "intake-batch": benchIntakeBatch,
  "intake-single": benchIntakeSingle,
  "intake-naive": benchIntakeNaive,
  seal: benchSeal,
  deliver: benchDeliver,
  drain: benchDrain,
  "event-cost": benchEventCost,
  "deliver-stream": benchDeliverStream,
  "end-to-end": benchEndToEnd,
  latency: benchLatency,
  memory: benchMemory,
  overload: benchOverload,
  growth: benchGrowth,
  turns: benchTurns,
  meters: benchMeters,
  books: benchBooks,
  year: benchYear,
  disk: benchDisk,
  autovacuum: benchAutovacuum,
  console: benchConsole,
  citus: benchCitus,
};
