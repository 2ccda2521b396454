import type { Comparison, Skipped } from "../comparison.ts";
import { freshTables } from "../load/fresh-tables.ts";
import { addDueEvents, openTables, type Tables } from "../load/due-events.ts";
import { addFleet } from "../load/fleet.ts";
import type { SendMeterEventsTasks } from "../runners/send-meter-events.ts";
import { startRunner } from "../site/runner.ts";
import { canReadPeakMemory } from "../site/memory.ts";
import { readFamilySeconds, readProcessorSeconds } from "../site/processor-time.ts";
import { ask, createOurDatabase, type Site } from "../site/site.ts";
import { startStripeStandIn } from "../site/stripe-stand-in.ts";
import { untilTrue } from "../site/until-true.ts";
import { deliveryConcurrency, startWorker } from "./our-servers.ts";

const customers = 500;
const events = 10_000;
const withinSeconds = 300;
const wanted = { postgresUs: 150, workerUs: 280 };

/** The statements of an event's road, by what only their text has. */
const statements = [
  { name: "insert of the reminder", text: "INSERT INTO pgboss.job" },
  { name: "fetch of the reminder", text: "started_on = pgboss.job_now()" },
  { name: "end of the reminder", text: "completed_on = pgboss.job_now()" },
  { name: "end of the reminder", text: "DELETE FROM pgboss.job" },
  { name: "begin of the attempt", text: "attempts_started = m.attempts_started +" },
  { name: "settling of the attempt", text: "insert into metering.delivery_attempts" },
];
const others = "all other statements";

type Cost = { postgresUs: number; workerUs: number; byStatement: ReadonlyMap<string, number> };

/** What an event costs from its reminder to its end, in microseconds: of Postgres, and of a worker. */
export async function benchEventCost(site: Site): Promise<(Comparison | Skipped)[]> {
  if (!canReadPeakMemory) {
    return [{ bench: "event-cost", what: "an event", peer: "the limit", skipped: "needs Linux" }];
  }
  const url = await createOurDatabase(site, "cost");
  await ask(url, "create extension pg_stat_statements");
  await ask(url, "alter database cost set pg_stat_statements.track = 'top'");
  await ask(url, "alter database cost set pg_stat_statements.track_planning = 'on'");
  await addFleet(url, { organizations: customers, sensors: 1 });
  const tables = await openTables(site, url);
  const stripe = await startStripeStandIn(site);
  const worker = await startWorker(site, {
    databaseUrl: url,
    stripeUrl: stripe.url,
    sealIntervalSeconds: 600,
  });
  const bare = startRunner<SendMeterEventsTasks>(site, "send-meter-events");
  const input = {
    url: stripe.url,
    transport: "sync" as const,
    events,
    concurrency: deliveryConcurrency,
    customers,
  };
  const ours: Cost[] = [];
  const theirs: number[] = [];
  for (let round = 0; round <= site.rounds; round += 1) {
    const cost = await costOfDrain(site, tables, worker.pid);
    const before = await readProcessorSeconds(bare.pid);
    await bare.ask("send", input);
    // The first round only warms up.
    if (round === 0) continue;
    ours.push(cost);
    theirs.push(perEvent((await readProcessorSeconds(bare.pid)) - before));
  }
  return [...compareTotals(ours, theirs), ...compareStatements(ours)];
}

const perEvent = (seconds: number): number => (seconds * 1_000_000) / events;

async function costOfDrain(site: Site, tables: Tables, workerPid: number): Promise<Cost> {
  const { url } = tables;
  await freshTables(url);
  await ask(url, "select pg_stat_statements_reset()");
  // The reminders' insert alone counts of this: the meter events are the seal's.
  await addDueEvents(tables, events);
  const inserted = await readStatements(url);
  const before = {
    postgres: await readFamilySeconds(site.postgresPid),
    worker: await readProcessorSeconds(workerPid),
  };
  await ask(url, "select pg_stat_statements_reset()");
  const text = `select count(*) = ${events} from metering.meter_events where state = 'delivered' and meter = 'temperature_readings'`;
  await untilTrue(site, { url, text, what: `${events} meter events to be delivered`, withinSeconds });
  const after = {
    postgres: await readFamilySeconds(site.postgresPid),
    worker: await readProcessorSeconds(workerPid),
  };
  const reminderUs = inserted.get("insert of the reminder") ?? 0;
  const byStatement = new Map(await readStatements(url));
  byStatement.set("insert of the reminder", reminderUs + (byStatement.get("insert of the reminder") ?? 0));
  return {
    postgresUs: perEvent(after.postgres - before.postgres) + reminderUs,
    workerUs: perEvent(after.worker - before.worker),
    byStatement,
  };
}

/** Microseconds for each event by the clock: what waits for a processor is counted, too. */
async function readStatements(url: string): Promise<ReadonlyMap<string, number>> {
  const rows = await ask<{ query: string; seconds: number }>(
    url,
    `select s.query, (s.total_exec_time + s.total_plan_time)::float8 / 1000 as seconds
     from pg_stat_statements s where s.dbid = (select oid from pg_database where datname = current_database())`,
  );
  const sums = new Map<string, number>();
  for (const { query, seconds } of rows) {
    const name = statements.find(({ text }) => query.includes(text))?.name ?? others;
    sums.set(name, (sums.get(name) ?? 0) + perEvent(seconds));
  }
  return sums;
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

/** Each statement's part of them all. */
function compareStatements(ours: readonly Cost[]): Comparison[] {
  const names = [...new Set(statements.map(({ name }) => name)), others];
  const all = ours.map(({ byStatement }) => byStatement.values().reduce((sum, us) => sum + us, 0));
  return names.map((name) => ({
    bench: "event-cost",
    what: name,
    unit: "µs by the clock for an event",
    ours: ours.map(({ byStatement }) => byStatement.get(name) ?? 0),
    peer: "all statements",
    theirs: all,
  }));
}
