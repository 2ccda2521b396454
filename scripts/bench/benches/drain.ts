import { setTimeout as sleep } from "node:timers/promises";
import { type Comparison, ratioOf } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { type DrainRates, readDrainRates } from "../load/drain-rates.ts";
import { addEntriesOfHours, freshTables } from "../load/fresh-tables.ts";
import { addDueEvents, openTables, type Tables } from "../load/due-events.ts";
import { addFleet } from "../load/fleet.ts";
import type { SendMeterEventsTasks } from "../runners/send-meter-events.ts";
import { type Runner, startRunner } from "../site/runner.ts";
import { renderRatio } from "../table.ts";
import { checkpoint, createOurDatabase, readClock, type Site } from "../site/site.ts";
import { startStripeStandIn, type StripeStandIn } from "../site/stripe-stand-in.ts";
import { untilTrue } from "../site/until-true.ts";
import { wantedForms } from "../wanted-forms.ts";
import { deliveryConcurrency, startWorker } from "./our-servers.ts";

type Form = {
  name: string;
  customers: number;
  eventsOfEach: number;
  latencyMs?: number;
  /** Each answer of this number is a 429 or is cut, in turns. */
  faultEvery?: number;
  /** As many events again are sealed while the first are sent. */
  isSealing?: boolean;
  /** Both begin in a process that was just started, in place of one that has sent before and then had nothing to do. */
  isCold?: boolean;
  /** The first second, and what comes after. */
  atLeast?: { first: number; rest: number };
};

const wanted = { first: 0.6, rest: 0.75 };
const forms: readonly Form[] = [
  { name: "500 customers × 20", customers: 500, eventsOfEach: 20, atLeast: wanted },
  { name: "10,000 customers × 2", customers: 10_000, eventsOfEach: 2, atLeast: wanted },
  {
    name: "500 × 20 and the seal running",
    customers: 500,
    eventsOfEach: 20,
    isSealing: true,
    atLeast: wanted,
  },
  {
    name: "500 × 20, every tenth answer 429 or cut",
    customers: 500,
    eventsOfEach: 20,
    faultEvery: 10,
    atLeast: wanted,
  },
  {
    name: "500 × 10, Stripe answers after 50 ms",
    customers: 500,
    eventsOfEach: 10,
    latencyMs: 50,
    atLeast: { first: 0.95, rest: 0.95 },
  },
  { name: "500 × 20, both just started", customers: 500, eventsOfEach: 20, isCold: true },
];

const withinSeconds = 300;
/** What is refused comes back after its backoff; until this share is delivered, the worker never has nothing to do. */
const shareOfFaulty = 0.85;
/** V8 compiles for several seconds of sending, and a worker at the end of an outage has sent before. */
const warmUpRounds = 3;
/** A worker that waits for the end of an outage has idled, and V8 has made its heap small by then. */
const idleMs = 12_000;
/** Of so many events the loop would send all in little more than a second, which says nothing of its rate after it. */
const bareTimes = 3;
/** The round ends when the last refused event is delivered, which is no part of its rate. */
const retrySecondsMax = 5;

/**
 * Meter events that were just sealed, of fresh tables that no ANALYZE has seen, against the Stripe package alone. The
 * worker has sent before and waits, as it does at the end of an outage.
 */
export async function benchDrain(site: Site): Promise<Comparison[]> {
  const stripe = await startStripeStandIn(site);
  const comparisons: Comparison[] = [];
  for (const form of wantedForms(forms, site.form, ({ name }) => name)) {
    const measured = await compareForm(site, stripe, form);
    for (const one of measured) console.error(`${one.what}: ${renderRatio(ratioOf(one))}`);
    comparisons.push(...measured);
  }
  return comparisons;
}

async function compareForm(site: Site, stripe: StripeStandIn, form: Form): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "drain");
  await addFleet(url, { organizations: form.customers, sensors: 1 });
  const tables = await openTables(site, url);
  await stripe.takeTally({ latencyMs: form.latencyMs ?? 0, faultEvery: form.faultEvery ?? 0 });
  const worker = keep(form, () =>
    startWorker(site, {
      databaseUrl: url,
      stripeUrl: stripe.url,
      sealIntervalSeconds: 1,
      ...(form.faultEvery !== undefined && { retrySecondsMax }),
    }),
  );
  const bare = keep(form, () =>
    Promise.resolve(startRunner<SendMeterEventsTasks>(site, "send-meter-events")),
  );
  const measured = await interleave(
    [
      {
        name: "ours",
        run: ({ isWarmUp }) => worker.use(() => drainOnce(site, { tables, stripe }, { ...form, isWarmUp })),
      },
      { name: "bare", run: () => bare.use((runner) => sendBare(runner, stripe, form)) },
    ],
    site.rounds,
    { warmUpRounds: form.isCold === true ? 1 : warmUpRounds },
  );
  await worker.end();
  await bare.end();
  await tables.close();
  const compare = (what: string, part: keyof DrainRates): Comparison => ({
    bench: "drain",
    what: `${form.name}: ${what}`,
    unit: "meter events/s",
    ours: measured("ours").map((rates) => rates[part]),
    peer: "the stripe package in a loop, no database",
    theirs: measured("bare").map((rates) => rates[part]),
    ...(form.atLeast && { target: { ratio: "at least" as const, value: form.atLeast[part] } }),
  });
  return [compare("first second", "first"), compare("after it", "rest")];
}

type Stoppable = { stop: () => Promise<void> };

/** One process for all rounds, or a new one for each where the form is cold. */
function keep<T extends Stoppable>({ isCold = false }: Form, start: () => Promise<T>) {
  let kept: T | undefined;
  const end = async () => {
    await kept?.stop();
    kept = undefined;
  };
  return {
    use: async <R>(work: (one: T) => Promise<R>): Promise<R> => {
      kept ??= await start();
      const result = await work(kept);
      if (isCold) await end();
      return result;
    },
    end,
  };
}

async function sendBare(
  bare: Runner<SendMeterEventsTasks>,
  stripe: StripeStandIn,
  { customers, eventsOfEach, latencyMs, faultEvery }: Form,
): Promise<DrainRates> {
  const isFast = latencyMs === undefined && faultEvery === undefined;
  const events = customers * eventsOfEach * (isFast ? bareTimes : 1);
  const { seconds, inFirstSecond } = await bare.ask("send", {
    url: stripe.url,
    transport: "sync",
    events,
    concurrency: deliveryConcurrency,
    customers,
  });
  return {
    first: inFirstSecond,
    rest: seconds > 1 ? (events - inFirstSecond) / (seconds - 1) : inFirstSecond,
  };
}

async function drainOnce(
  site: Site,
  { tables, stripe }: { tables: Tables; stripe: StripeStandIn },
  form: Form & { isWarmUp: boolean },
): Promise<DrainRates> {
  const { url } = tables;
  await freshTables(url);
  if (form.isCold !== true && !form.isWarmUp) await sleep(idleMs, undefined, { signal: site.signal });
  const entries = form.isSealing === true ? form.eventsOfEach : 0;
  const events = form.customers * (form.eventsOfEach + entries);
  await checkpoint(url);
  await stripe.takeTally();
  const since = await readClock(url);
  await addDueEvents(tables, form.customers * form.eventsOfEach);
  if (entries > 0) await addEntriesOfHours(url, entries);
  // Cheap to ask until nothing is pending: what is asked is Postgres's cost, too.
  const text = `select case
      when exists (select from metering.meter_events where state = 'pending' and meter = 'temperature_readings') then false
      else (
        select count(*) = ${events} from metering.meter_events where state = 'delivered' and meter = 'temperature_readings'
      )
    end`;
  await untilTrue(site, { url, text, what: `${events} meter events to be delivered`, withinSeconds });
  const tally = await stripe.takeTally();
  if (tally.events !== events) throw new Error(`Stripe got ${tally.events} of ${events} meter events`);
  return readDrainRates(url, { since, share: form.faultEvery === undefined ? 1 : shareOfFaulty });
}
