import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { addDueEvents, emptyOutbox, openTables, readDeliveryRate, type Tables } from "../load/due-events.ts";
import { addFleet } from "../load/fleet.ts";
import type { SendMeterEventsTasks } from "../runners/send-meter-events.ts";
import { startRunner } from "../site/runner.ts";
import { checkpoint, createOurDatabase, readClock, type Site } from "../site/site.ts";
import { startStripeStandIn, type StripeStandIn } from "../site/stripe-stand-in.ts";
import { untilTrue } from "../site/until-true.ts";
import { deliveryConcurrency, startWorker } from "./our-servers.ts";

const customers = 500;
const firstEvents = 1_000;
const withinSeconds = 300;
const latencies = [
  { latencyMs: 0, name: "Stripe answers at once", atLeast: 0.7 },
  { latencyMs: 50, name: "Stripe answers after 50 ms", atLeast: 0.95 },
];

/** Meter events delivered by a worker, against the Stripe package alone. */
export async function benchDeliver(site: Site): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "deliver");
  await addFleet(url, { organizations: customers, sensors: 1 });
  const tables = await openTables(site, url);
  const stripe = await startStripeStandIn(site);
  await startWorker(site, { databaseUrl: url, stripeUrl: stripe.url });
  const bare = startRunner<SendMeterEventsTasks>(site, "send-meter-events");
  const comparisons: Comparison[] = [];
  for (const { latencyMs, name, atLeast } of latencies) {
    await stripe.takeTally({ latencyMs });
    const sendBare = async (events: number) => {
      const input = {
        url: stripe.url,
        transport: "sync" as const,
        events,
        concurrency: deliveryConcurrency,
        customers,
      };
      const { seconds } = await bare.ask("send", input);
      return events / seconds;
    };
    const measured = await interleave(
      [
        { name: "ours", run: deliverContestant(site, stripe, { tables, empty: () => emptyOutbox(url) }) },
        { name: "bare", run: filling(site, stripe, sendBare) },
      ],
      site.rounds,
    );
    comparisons.push({
      bench: "deliver",
      what: `${name}, ${deliveryConcurrency} requests in flight`,
      unit: "meter events/s",
      ours: measured("ours"),
      peer: "the stripe package in a loop, no database",
      theirs: measured("bare"),
      target: { ratio: "at least", value: atLeast },
    });
  }
  return comparisons;
}

/** Delivers as many events as the round before says fill the time, and checks that Stripe got each once. */
function filling(
  site: Site,
  stripe: StripeStandIn,
  deliver: (events: number) => Promise<number>,
): () => Promise<number> {
  let events = firstEvents;
  return async () => {
    await stripe.takeTally();
    const perSecond = await deliver(events);
    const tally = await stripe.takeTally();
    if (tally.events !== events) throw new Error(`Stripe got ${tally.events} of ${events} meter events`);
    events = Math.max(firstEvents, Math.round(perSecond * site.secondsPerRound));
    return perSecond;
  };
}

export type DeliverTable = {
  tables: Tables;
  /** Deletes the rows that the round before has left. */
  empty: () => Promise<void>;
};

/** One contestant: a worker that runs already and delivers what is due. Returns meter events a second. */
export function deliverContestant(
  site: Site,
  stripe: StripeStandIn,
  table: DeliverTable,
): () => Promise<number> {
  return filling(site, stripe, (events) => deliverOnce(site, table, events));
}

async function deliverOnce(site: Site, { tables, empty }: DeliverTable, events: number): Promise<number> {
  const { url } = tables;
  await empty();
  await checkpoint(url);
  const since = await readClock(url);
  await addDueEvents(tables, events);
  const text = `select not exists (select from metering.meter_events where state = 'pending')`;
  await untilTrue(site, { url, text, what: `${events} meter events to be delivered`, withinSeconds });
  return readDeliveryRate(url, since);
}
