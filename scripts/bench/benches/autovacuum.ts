import { setTimeout as sleep } from "node:timers/promises";
import type { Comparison } from "../comparison.ts";
import { addFleet, planLoad } from "../load/fleet.ts";
import { sendPlan, startGateway } from "../load/http-contestant.ts";
import { ask, createOurDatabase, type Site } from "../site/site.ts";
import { startStripeStandIn } from "../site/stripe-stand-in.ts";
import { startApi, startWorker } from "./our-servers.ts";

const bench = "autovacuum";
const organizations = 100;
const sensors = 20;
const readingsPerRequest = 10;
const requestsPerSecond = 200;
const connections = 16;
const secondsPerPlan = 30;
const lookEveryMs = 10_000;
const bytesPerMib = 1_024 ** 2;
/** A table that is read all the time may hold as many dead rows as live ones, and some on top while it is small. */
const deadRowsMax = { share: 1, least: 5_000 };
/** Autovacuum comes to a database once in its `naptime`; what dies before it came twice tells nothing about it. */
const napsUnwatched = 2;
/** The size of a table may be twice what its rows need. A queue, whose rows last for a second, may hardly grow. */
const bloatMax = 2;
const queueGrowthMax = 1.2;
/** Smaller it costs nothing, whatever it grows by. */
const queueMibMin = 1;

/** Jobs are deleted when they are done. */
const queueTable = "pgboss.job_common";

type Dead = { name: string; live: number; dead: number };

/**
 * 2,000 readings a second through the API, sealed every second and delivered at once, for as long as it was told: whether
 * autovacuum keeps up with the rows that die, how much larger tables are than their rows need, and how much log a reading
 * makes. Postgres's own settings, and those of the migrations.
 */
export async function benchAutovacuum(site: Site): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "autovacuum");
  const fleet = await addFleet(url, { organizations, sensors });
  const { port } = await startApi(site, url);
  const stripe = await startStripeStandIn(site);
  await startWorker(site, { databaseUrl: url, stripeUrl: stripe.url, sealIntervalSeconds: 1 });
  const gateway = startGateway(site);
  const watch = new AbortController();
  const unwatchedMs = napsUnwatched * (await readNaptimeMs(url));
  if (site.minutes * 60_000 < 2 * unwatchedMs) {
    throw new Error(
      `autovacuum is looked at after ${unwatchedMs / 60_000} minutes: tell twice as many at least`,
    );
  }
  const watching = watchDeadRows(url, { afterMs: unwatchedMs, signal: watch.signal });
  const walBefore = await readWalBytes(url);
  const endsAtMs = performance.now() + site.minutes * 60_000;
  let readings = 0;
  let halfway: Map<string, number> | undefined;
  while (performance.now() < endsAtMs) {
    site.signal.throwIfAborted();
    if (performance.now() > endsAtMs - site.minutes * 30_000) halfway ??= await readSizes(url);
    const plan = planLoad(fleet, { requests: requestsPerSecond * secondsPerPlan, readingsPerRequest });
    const server = { port, fleet, table: null };
    await sendPlan(gateway, { server, plan, connections, perSecond: requestsPerSecond });
    readings += plan.requests * readingsPerRequest;
  }
  const walBytes = (await readWalBytes(url)) - walBefore;
  watch.abort();
  const worst = await watching;
  const queue = { atLast: await readSizes(url), halfway: halfway ?? new Map<string, number>() };
  const [queueBytes, queueBytesBefore] = [queue.atLast, queue.halfway].map(
    (sizes) => sizes.get(queueTable) ?? 0,
  );
  const bloat = await readBloat(url);
  const during = `${site.minutes} minutes of ${requestsPerSecond * readingsPerRequest} readings/s`;
  const sinceItCame = `from minute ${unwatchedMs / 60_000} on`;
  const target = { ratio: "at most" as const, value: 1 };
  return [
    {
      bench,
      what: `the most dead rows for a live one, or for each of ${deadRowsMax.least} (${worst.name}), ${sinceItCame}, in ${during}`,
      unit: "rows",
      ours: [worst.dead / Math.max(worst.live, deadRowsMax.least)],
      peer: "the limit",
      theirs: [deadRowsMax.share],
      target,
    },
    {
      bench,
      what: `size of the most bloated table (${bloat.name}) after ${during}`,
      unit: "MiB",
      ours: [bloat.bytes / bytesPerMib],
      peer: "what its rows need",
      theirs: [bloat.neededBytes / bytesPerMib],
      target: { ratio: "at most", value: bloatMax },
    },
    {
      bench,
      what: `size of ${queueTable} after ${during}`,
      unit: "MiB",
      ours: [(queueBytes ?? 0) / bytesPerMib],
      peer: "after half of them, or 1 MiB",
      theirs: [Math.max((queueBytesBefore ?? 0) / bytesPerMib, queueMibMin)],
      target: { ratio: "at most", value: queueGrowthMax },
    },
    {
      bench,
      what: `log (WAL) that 1,000 readings make until they are billed, in ${during}`,
      unit: "KiB",
      ours: [walBytes / readings / 1.024],
      peer: "their rows",
      theirs: [await readRowBytes(url)],
    },
  ];
}

async function readNaptimeMs(url: string): Promise<number> {
  const [row] = await ask<{ ms: number }>(
    url,
    "select extract(epoch from current_setting('autovacuum_naptime')::interval)::float8 * 1000 as ms",
  );
  return row?.ms ?? Number.NaN;
}

/** Of all tables that keep their rows, at all times since `afterMs`, the one with the most dead rows for its live ones. */
async function watchDeadRows(
  url: string,
  { afterMs, signal }: { afterMs: number; signal: AbortSignal },
): Promise<Dead> {
  let worst: Dead = { name: "none", live: 0, dead: 0 };
  await sleep(afterMs, undefined, { signal }).catch(() => {});
  const share = ({ live, dead }: Dead) => dead / Math.max(live, deadRowsMax.least);
  while (!signal.aborted) {
    const tables = await ask<Dead>(
      url,
      `select relname as name, n_live_tup::float8 as live, n_dead_tup::float8 as dead from pg_stat_user_tables
       where relid <> $1::regclass`,
      [queueTable],
    );
    for (const table of tables) if (share(table) > share(worst)) worst = table;
    await sleep(lookEveryMs, undefined, { signal }).catch(() => {});
  }
  return worst;
}

async function readWalBytes(url: string): Promise<number> {
  const [row] = await ask<{ bytes: string }>(url, "select pg_current_wal_lsn() - '0/0'::pg_lsn as bytes");
  return Number(row?.bytes);
}

type Bloat = { name: string; bytes: number; neededBytes: number };

/** Of the tables of a MiB and more that keep their rows, the one that shrinks most when it is written anew. */
async function readBloat(url: string): Promise<Bloat> {
  const before = await readSizes(url);
  await ask(url, "vacuum full");
  const after = await readSizes(url);
  const tables = [...before]
    .filter(([name, bytes]) => bytes > bytesPerMib && name !== queueTable)
    .map(([name, bytes]) => ({ name, bytes, neededBytes: after.get(name) ?? bytes }))
    .toSorted((one, other) => other.bytes / other.neededBytes - one.bytes / one.neededBytes);
  for (const { name, bytes, neededBytes } of tables) {
    console.error(
      `${name}: ${(bytes / bytesPerMib).toFixed(1)} MiB, needs ${(neededBytes / bytesPerMib).toFixed(1)}`,
    );
  }
  const [worst] = tables;
  if (worst === undefined) throw new Error("no table has grown to a MiB");
  return worst;
}

/** The bytes of each table with its indexes. */
async function readSizes(url: string): Promise<Map<string, number>> {
  const sizes = await ask<{ name: string; bytes: number }>(
    url,
    `select oid::regclass::text as name, pg_total_relation_size(oid)::float8 as bytes from pg_class
     where relkind = 'r' and relnamespace in ('metering'::regnamespace, 'pgboss'::regnamespace)`,
  );
  return new Map(sizes.map(({ name, bytes }) => [name, bytes]));
}

/** KiB that 1,000 readings take in their table, without indexes. */
async function readRowBytes(url: string): Promise<number> {
  const [row] = await ask<{ bytes: number }>(
    url,
    "select avg(pg_column_size(r.*))::float8 as bytes from (select * from metering.readings limit 10000) r",
  );
  return (row?.bytes ?? 0) / 1.024;
}
