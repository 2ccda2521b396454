import type { BenchName } from "../names.ts";
import type { Comparison } from "../comparison.ts";
import { readFamilySeconds, readProcessorSeconds } from "../site/processor-time.ts";
import { ask, type Site } from "../site/site.ts";
import { untilTrue } from "../site/until-true.ts";
import { addDueEvents, type Tables } from "./due-events.ts";
import { freshTables } from "./fresh-tables.ts";

const withinSeconds = 300;

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

/** Microseconds for each event. */
export type Cost = { postgresUs: number; workerUs: number; byStatement: ReadonlyMap<string, number> };

/** Has a database's statements counted. */
export async function countStatements(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  await ask(url, "create extension pg_stat_statements");
  await ask(url, `alter database ${name} set pg_stat_statements.track = 'top'`);
  await ask(url, `alter database ${name} set pg_stat_statements.track_planning = 'on'`);
}

/** What so many events cost from their reminders to their end, of tables that no ANALYZE has seen: of Postgres, and of a worker. */
export async function costOfDrain(
  site: Site,
  tables: Tables,
  { events, workerPid }: { events: number; workerPid: number },
): Promise<Cost> {
  const { url } = tables;
  await freshTables(url);
  await ask(url, "select pg_stat_statements_reset()");
  // The reminders' insert alone counts of this: the meter events are the seal's.
  await addDueEvents(tables, events);
  const inserted = await readStatements(url, events);
  const readProcessors = async () => ({
    postgres: await readFamilySeconds(site.postgresPid),
    worker: await readProcessorSeconds(workerPid),
  });
  const before = await readProcessors();
  await ask(url, "select pg_stat_statements_reset()");
  // Cheap to ask: what is asked is Postgres's cost, too.
  const text = `select not exists (select from metering.meter_events where state = 'pending' and meter = 'temperature_readings')`;
  await untilTrue(site, { url, text, what: `${events} meter events to be delivered`, withinSeconds });
  const after = await readProcessors();
  const reminderUs = inserted.get("insert of the reminder") ?? 0;
  const byStatement = new Map(await readStatements(url, events));
  byStatement.set("insert of the reminder", reminderUs + (byStatement.get("insert of the reminder") ?? 0));
  return {
    postgresUs: microsecondsEach(after.postgres - before.postgres, events) + reminderUs,
    workerUs: microsecondsEach(after.worker - before.worker, events),
    byStatement,
  };
}

export const microsecondsEach = (seconds: number, events: number): number => (seconds * 1_000_000) / events;

/** Microseconds for each event by the clock: what waits for a processor is counted, too. */
async function readStatements(url: string, events: number): Promise<ReadonlyMap<string, number>> {
  const rows = await ask<{ query: string; seconds: number }>(
    url,
    `select s.query, (s.total_exec_time + s.total_plan_time)::float8 / 1000 as seconds
     from pg_stat_statements s where s.dbid = (select oid from pg_database where datname = current_database())`,
  );
  const sums = new Map<string, number>();
  for (const { query, seconds } of rows) {
    const name = statements.find(({ text }) => query.includes(text))?.name ?? others;
    sums.set(name, (sums.get(name) ?? 0) + microsecondsEach(seconds, events));
  }
  return sums;
}

/** Each statement's part of them all. */
export function compareStatements(bench: BenchName, ours: readonly Cost[]): Comparison[] {
  const names = [...new Set(statements.map(({ name }) => name)), others];
  const all = ours.map(({ byStatement }) => byStatement.values().reduce((sum, us) => sum + us, 0));
  return names.map((name) => ({
    bench,
    what: name,
    unit: "µs by the clock for an event",
    ours: ours.map(({ byStatement }) => byStatement.get(name) ?? 0),
    peer: "all statements",
    theirs: all,
  }));
}
