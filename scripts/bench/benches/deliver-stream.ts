import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { compareStatements, type Cost, costOfDrain, microsecondsEach } from "../load/event-costs.ts";
import { type DrainRates, readDrainRates } from "../load/drain-rates.ts";
import type { SendMeterEventsTasks } from "../runners/send-meter-events.ts";
import { readProcessorSeconds } from "../site/processor-time.ts";
import type { Runner } from "../site/runner.ts";
import { checkpoint, readClock, type Site } from "../site/site.ts";
import type { StripeStandIn } from "../site/stripe-stand-in.ts";
import { openDrain } from "./open-drain.ts";
import { deliveryConcurrency } from "./our-servers.ts";

const customers = 500;
/** As many as a worker sends in several seconds. */
const events = 40_000;
/** The bare loop sends these in about a second. */
const bareEvents = 200_000;
/** V8 compiles for several seconds of sending; a worker at the end of an outage has sent before. */
const warmUpRounds = 2;
const perSecondWanted = 20_000;
/** What two cores have for each of as many. */
const usOfTwoCores = 2_000_000 / perSecondWanted;
const latencies = [
  { latencyMs: 0, name: "Stripe answers at once" },
  { latencyMs: 50, name: "Stripe answers after 50 ms" },
];

type Round = { rates: DrainRates; workerUs: number; cost?: Cost };
type Measured = (name: string) => Round[];

/**
 * A backlog that was just sealed, of tables that no ANALYZE has seen, over Stripe's stream with 100 events a request,
 * against the Stripe package alone that sends full requests.
 */
export async function benchDeliverStream(site: Site): Promise<Comparison[]> {
  const { tables, stripe, worker, bare } = await openDrain(site, {
    name: "stream",
    customers,
    transport: "stream",
  });
  const { url } = tables;
  const deliverOurs = async (): Promise<Round> => {
    await checkpoint(url);
    await stripe.takeTally();
    const since = await readClock(url);
    const cost = await costOfDrain(site, tables, { events, workerPid: worker.pid });
    const tally = await stripe.takeTally();
    if (tally.events !== events) throw new Error(`Stripe got ${tally.events} of ${events} meter events`);
    return { rates: await readDrainRates(url, { since }), workerUs: cost.workerUs, cost };
  };
  const comparisons: Comparison[] = [];
  for (const { latencyMs, name } of latencies) {
    await stripe.takeTally({ latencyMs });
    const measured = await interleave(
      [
        { name: "ours", run: deliverOurs },
        { name: "bare", run: () => sendBare(bare, stripe) },
      ],
      site.rounds,
      { warmUpRounds },
    );
    comparisons.push(...compareRates(name, measured));
    // What an event costs is the same where the answer takes longer.
    if (latencyMs === 0) comparisons.push(...compareCosts(measured));
  }
  return comparisons;
}

async function sendBare(bare: Runner<SendMeterEventsTasks>, stripe: StripeStandIn): Promise<Round> {
  const before = await readProcessorSeconds(bare.pid);
  const { seconds } = await bare.ask("send", {
    url: stripe.url,
    transport: "stream",
    events: bareEvents,
    concurrency: deliveryConcurrency,
    customers,
  });
  const workerUs = microsecondsEach((await readProcessorSeconds(bare.pid)) - before, bareEvents);
  return { rates: { first: bareEvents / seconds, rest: bareEvents / seconds }, workerUs };
}

function compareRates(name: string, measured: Measured): Comparison[] {
  const rateOf = (contestant: string) => measured(contestant).map(({ rates }) => rates.rest);
  const ours = {
    bench: "deliver-stream" as const,
    what: `${name}, after the first second`,
    unit: "meter events/s",
    ours: rateOf("ours"),
  };
  const bare = { ...ours, peer: "the stripe package in a loop, full requests", theirs: rateOf("bare") };
  if (name !== latencies[0]?.name) return [bare];
  const target = { ratio: "at least" as const, value: 1 };
  return [bare, { ...ours, peer: "wanted", theirs: [perSecondWanted], target }];
}

function compareCosts(measured: Measured): Comparison[] {
  const costs = measured("ours").flatMap(({ cost }) => cost ?? []);
  const unit = "µs of a core for an event";
  const bench = "deliver-stream" as const;
  return [
    {
      bench,
      what: "Postgres, all of its processes, and the worker",
      unit,
      ours: costs.map(({ postgresUs, workerUs }) => postgresUs + workerUs),
      peer: `two cores at ${perSecondWanted.toLocaleString("en")}/s`,
      theirs: [usOfTwoCores],
      target: { ratio: "at most", value: 1 },
    },
    {
      bench,
      what: "the worker",
      unit,
      ours: costs.map(({ workerUs }) => workerUs),
      peer: "the stripe package in a loop, full requests",
      theirs: measured("bare").map(({ workerUs }) => workerUs),
    },
    ...compareStatements(bench, costs),
  ];
}
