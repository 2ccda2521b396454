import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { writeFigures } from "../../../src/monitoring/figures/write-figures.ts";
import type { Comparison } from "../comparison.ts";
import { addUpStored } from "../load/add-up.ts";
import { openTables } from "../load/due-events.ts";
import { addFleet } from "../load/fleet.ts";
import { addYearOfUsage } from "../load/year-of-usage.ts";
import { findPages } from "../load/console-pages.ts";
import { seededDatabase } from "../site/seeded-database.ts";
import { ask, checkpoint, type Site } from "../site/site.ts";
import { quantileOf } from "../statistics.ts";
import { startApi } from "./our-servers.ts";

const bench = "console";
const asksEach = 20;
const warmUps = 2;
const msEachMax = 4_000;
const pageMsMax = 150;
/** With the year's: 10,000, of which the others are linked and send nothing. */
const moreOrganizations = 9_500;
const busyMinutes = 10;
const attemptsPerMinute = 900;
const figureTurns = 30;
const minuteMs = 60_000;
const backlogEvents = 1_000_000;
const backlogPaths = [
  "/console",
  "/console/meter-events?state=pending",
  "/console/meter-events/retry?state=pending",
  "/console/meter-events/retry?state=pending&words=could+not+connect",
];
const openPages = 3;
const renewMs = 2_000;
const renewSeconds = 30;
/** Of one core. */
const coreShareMax = 0.01;
const tickMs = 10;
const gone = new Set(["ENOENT", "ESRCH"]);
const peer = "the limit";
const target = { ratio: "at most" as const, value: 1 };

/**
 * The console over a year of 10,000 organizations, a million meter events and 12 million readings: every page that links
 * lead to from the start page, what an open start page costs the database, what the figures of a minute cost it, and the
 * questions before an action on all when a million meter events wait.
 */
export async function benchConsole(site: Site): Promise<Comparison[]> {
  const { url } = await seededDatabase(site, "console", async (empty) => {
    await addYearOfUsage(site, empty);
    await addFleet(empty, { organizations: moreOrganizations, sensors: 1 });
  });
  return measureConsole(site, url);
}

/** The measurements, on a database that has its year. */
async function measureConsole(site: Site, url: string): Promise<Comparison[]> {
  await addUpStored(url);
  await addBusyMinutes(url);
  await checkpoint(url);
  const figures = await measureFigures(site, url);
  const api = await startApi(site, url);
  const cookie = await signIn(api);
  const renewal = await measureRenewal(site, { url: api.url, cookie, databaseUrl: url });
  const at = { url: api.url, cookie };
  const paths = await findPages((path) => read(at, path));
  const pages = await measurePages(site, at, { paths, what: `${paths.length} pages` });
  await addBacklog(url);
  const questions = { paths: backlogPaths, what: "questions and lists with a million pending meter events" };
  return [figures, renewal, pages, await measurePages(site, at, questions)];
}

/** As after days without Stripe: a million meter events wait, each with Stripe's words. */
async function addBacklog(url: string): Promise<void> {
  await ask(
    url,
    `do $$ begin
       set local session_replication_role = replica;
       insert into metering.meter_events
         (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state, last_error,
          attempts_started, attempts_finished, first_attempt_at, last_attempt_at, sealed_at)
       select s.organization_id, metering.uuid_v7(t.at), 'temperature_readings', date_trunc('hour', t.at, 'UTC'), 12, t.at, 1,
         s.stripe_customer_id, 'pending', 'We could not connect to Stripe', 1, 1, t.at, t.at, t.at
       from generate_series(1, ${backlogEvents}) n
       join (
         select organization_id, stripe_customer_id, row_number() over (order by organization_id) - 1 as place
         from metering.subscriptions
       ) s on s.place = n % 10000
       cross join lateral (select now() - interval '1 hour' - n * interval '50 milliseconds' as at) t;
     end $$`,
  );
  await ask(url, "vacuum analyze metering.meter_events");
}

/** The last minutes: an entry of each organization in each, and as many attempts as Stripe takes from a sandbox. */
async function addBusyMinutes(url: string): Promise<void> {
  await ask(
    url,
    `insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
     select o.id, t.at, metering.uuid_v7(t.at), 'temperature_readings', 12
     from generate_series(0, $1::int - 1) n
     cross join metering.organizations o
     cross join lateral (
       select date_trunc('milliseconds', now() - (n + random()) * interval '1 minute') as at where o.id is not null
     ) t
     order by t.at`,
    [busyMinutes],
  );
  await ask(
    url,
    `insert into metering.delivery_attempts
       (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status)
     select m.organization_id, m.id, 2, now() - (row_number() over () - 1) * interval '1 minute' / $2::int, 100 + 300 * random(),
       'delivered', 200
     from (select organization_id, id from metering.meter_events where state = 'delivered' order by id desc limit $1::int * $2) m`,
    [busyMinutes, attemptsPerMinute],
  );
}

/** Processor time of Postgres for the figures of one minute, as a worker writes them: one has ended, and one is final. */
async function measureFigures(site: Site, url: string): Promise<Comparison> {
  const { db } = await openTables(site, url);
  await writeFigures(db);
  const before = await readProcessorMs(url, "%");
  for (let turn = 0; turn < figureTurns; turn += 1) {
    site.signal.throwIfAborted();
    await sql`
      delete from metering.minute_figures where minute > now() - interval '10 minutes'
    `.execute(db);
    await sql`
      update metering.figure_progress
      set written_until = written_until - interval '1 minute',
        final_until = date_trunc('minute', now(), 'UTC') - interval '6 minutes'
    `.execute(db);
    await writeFigures(db);
  }
  const msEach = ((await readProcessorMs(url, "%")) - before) / figureTurns;
  const what = `processor time of Postgres for the figures of a minute (10,000 entries, ${attemptsPerMinute} attempts)`;
  return { bench, what, unit: "ms", ours: [msEach], peer, theirs: [coreShareMax * minuteMs], target };
}

type Console = { url: string; cookie: string };

async function signIn({ url, adminToken }: { url: string; adminToken: string }): Promise<string> {
  const answer = await fetch(`${url}/console/sign-in`, {
    method: "POST",
    redirect: "manual",
    headers: { origin: url },
    body: new URLSearchParams({ token: adminToken, name: "bench" }),
  });
  const cookie = answer.headers.get("set-cookie")?.split(";")[0];
  if (cookie === undefined) throw new Error(`signing in was answered ${answer.status}`);
  return cookie;
}

async function measureRenewal(site: Site, at: Console & { databaseUrl: string }): Promise<Comparison> {
  const look = (path: string) => read(at, path);
  await look("/console");
  const begunAtMs = performance.now();
  const before = await readProcessorMs(at.databaseUrl, "meter-outbox api%");
  while (performance.now() - begunAtMs < renewSeconds * 1_000) {
    site.signal.throwIfAborted();
    await Promise.all(
      Array.from({ length: openPages }, async () => {
        await look("/console/road/live");
        await look("/console/road/plots?span=hour");
      }),
    );
    await sleep(renewMs);
  }
  const spentMs = (await readProcessorMs(at.databaseUrl, "meter-outbox api%")) - before;
  const percent = (spentMs / (performance.now() - begunAtMs)) * 100;
  const what = `Postgres's processor time while ${openPages} start pages are open, of a core`;
  return { bench, what, unit: "%", ours: [percent], peer, theirs: [coreShareMax * 100], target };
}

async function measurePages(
  site: Site,
  at: Console,
  { paths, what }: { paths: readonly string[]; what: string },
): Promise<Comparison> {
  const p95s: number[] = [];
  for (const path of paths) {
    const ms: number[] = [];
    const begunAtMs = performance.now();
    for (let turn = 0; turn < warmUps + asksEach; turn += 1) {
      site.signal.throwIfAborted();
      const startedAtMs = performance.now();
      await read(at, path);
      if (turn >= warmUps) ms.push(performance.now() - startedAtMs);
      if (ms.length > 0 && performance.now() - begunAtMs > msEachMax) break;
    }
    const p95 = quantileOf(ms, 0.95);
    p95s.push(p95);
    console.error(`${path}: ${p95.toFixed(1)} ms`);
  }
  return {
    bench,
    what: `p95 of the slowest of ${what}`,
    unit: "ms",
    ours: [Math.max(...p95s)],
    peer,
    theirs: [pageMsMax],
    target,
  };
}

async function read({ url, cookie }: Console, path: string): Promise<string> {
  const answer = await fetch(url + path, { headers: { cookie } });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} was answered ${answer.status}: ${text.slice(0, 300)}`);
  return text;
}

/** Milliseconds of processor that the sessions of these applications have used, as the system counts them. */
async function readProcessorMs(url: string, applications: string): Promise<number> {
  const sessions = await ask<{ pid: number }>(
    url,
    `select pid from pg_stat_activity
     where datname = current_database() and backend_type = 'client backend' and application_name like $1`,
    [applications],
  );
  const each = await Promise.all(sessions.map(({ pid }) => readTicks(pid)));
  return each.reduce((sum, ticks) => sum + ticks, 0) * tickMs;
}

/** User and system time; 0 for a session that has just ended. */
async function readTicks(pid: number): Promise<number> {
  const line = await readFile(`/proc/${pid}/stat`, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && gone.has(String(error.code))) return "";
    throw error;
  });
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}
