import type { Comparison, Skipped } from "../comparison.ts";
import { compareStatements, type Cost, costOfDrain, microsecondsEach } from "../load/event-costs.ts";
import { canReadPeakMemory } from "../site/memory.ts";
import { readProcessorSeconds } from "../site/processor-time.ts";
import type { Site } from "../site/site.ts";
import { openDrain } from "./open-drain.ts";
import { deliveryConcurrency } from "./our-servers.ts";

const customers = 500;
/** V8 compiles for several seconds of sending; a worker at the end of an outage has sent before. */
const warmUpRounds = 3;
const wanted = { postgresUs: 150, workerUs: 280 };

type Load = { name: string; events: number; when: string; eventsPerSecondMax?: number };

const loads: Load[] = [
  { name: "cost", events: 10_000, when: "" },
  // A worker's default with a live key: it takes fewer events at a time there.
  { name: "cost_at_rate", events: 4_000, when: ", at 800 events a second", eventsPerSecondMax: 800 },
];

/** What an event costs from its reminder to its end, in microseconds: of Postgres, and of a worker. */
export async function benchEventCost(site: Site): Promise<(Comparison | Skipped)[]> {
  if (!canReadPeakMemory) {
    return [{ bench: "event-cost", what: "an event", peer: "the limit", skipped: "needs Linux" }];
  }
  const comparisons: Comparison[] = [];
  for (const load of loads) comparisons.push(...(await measure(site, load)));
  return comparisons;
}

async function measure(site: Site, { events, when, ...load }: Load): Promise<Comparison[]> {
  const { tables, stripe, worker, bare } = await openDrain(site, { customers, ...load });
  const input = {
    url: stripe.url,
    transport: "sync" as const,
    events,
    concurrency: deliveryConcurrency,
    customers,
  };
  const ours: Cost[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < warmUpRounds + site.rounds; round += 1) {
    const cost = await costOfDrain(site, tables, { events, workerPid: worker.pid });
    const before = await readProcessorSeconds(bare.pid);
    await bare.ask("send", input);
    if (round < warmUpRounds) continue;
    ours.push(cost);
    theirs.push(microsecondsEach((await readProcessorSeconds(bare.pid)) - before, events));
  }
  // An idle worker asks Postgres for jobs, and the next load's figures would have that, too.
  await Promise.all([worker.stop(), bare.stop()]);
  return [...compareTotals(ours, theirs), ...compareStatements("event-cost", ours)].map((one) => ({
    ...one,
    what: one.what + when,
  }));
}

function compareTotals(ours: readonly Cost[], theirs: readonly number[]): Comparison[] {
  const limit = (what: string, figures: readonly number[], value: number): Comparison => ({
    bench: "event-cost",
    what,
    unit: "µs of a core for an event",
    ours: figures,
    peer: "the limit",
    theirs: [value],
    target: { ratio: "at most", value: 1 },
  });
  const worker = ours.map(({ workerUs }) => workerUs);
  return [
    limit(
      "Postgres, all of its processes",
      ours.map(({ postgresUs }) => postgresUs),
      wanted.postgresUs,
    ),
    limit("the worker", worker, wanted.workerUs),
    {
      bench: "event-cost",
      what: "the worker",
      unit: "µs of a core for an event",
      ours: worker,
      peer: "the stripe package in a loop, no database",
      theirs,
    },
  ];
}
