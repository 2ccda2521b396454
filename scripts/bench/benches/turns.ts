import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Comparison } from "../comparison.ts";
import { addFleet } from "../load/fleet.ts";
import { readPeakMemoryMib } from "../site/memory.ts";
import { ask, createOurDatabase, type Site } from "../site/site.ts";
import { startStripeStandIn } from "../site/stripe-stand-in.ts";
import { untilTrue } from "../site/until-true.ts";
import { startWorker } from "./our-servers.ts";

const organizations = 1_001;
const entriesOfLarge = 6_000_000;
const sealIntervalSeconds = 5;
const everyMs = 2_000;
const withinSeconds = 3_600;
const target = { ratio: "at most" as const, value: 1 };

/**
 * One organization with millions of unsealed entries in one hour, beside 1,000 others that go on sending: how long theirs
 * wait, and what it takes to bill the large one in full; once.
 */
export async function benchTurns(site: Site): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "turns");
  const { senders } = await addFleet(url, { organizations, sensors: 1 });
  const large = senders[0]?.organizationId ?? "";
  await addHour(url, large);
  const stripe = await startStripeStandIn(site);
  const worker = await startWorker(site, { databaseUrl: url, stripeUrl: stripe.url, sealIntervalSeconds });
  const watch = new AbortController();
  const watching = Promise.all([keepSending(url, large, watch.signal), watchTransactions(url, watch.signal)]);
  const isBilled = untilTrue(site, {
    url,
    text: `select not exists (select from metering.meter_outbox where organization_id = '${large}' and meter_event_id is null)
      and not exists (select from metering.meter_events where organization_id = '${large}' and state = 'pending')`,
    what: "the large organization to be billed",
    withinSeconds,
  }).finally(() => watch.abort());
  const [, [, longestSeconds]] = await Promise.all([isBilled, watching]);
  const peakMib = await readPeakMemoryMib(worker.pid);
  await expectBilled(url, large);
  const waitedSeconds = await readLongestWait(url, large);
  const compare = (what: string, unit: string, ours: number, limit: number): Comparison => {
    return { bench: "turns", what, unit, ours: [ours], peer: "the limit", theirs: [limit], target };
  };
  const beside = "beside 6,000,000 entries of one organization's hour";
  return [
    compare(`longest wait of 1,000 others' usage, ${beside}`, "s", waitedSeconds, sealIntervalSeconds + 5),
    compare(`longest transaction of a worker, ${beside}`, "s", longestSeconds, 2),
    compare(`a worker's peak RSS, ${beside}`, "MiB", peakMib, 256),
  ];
}

async function addHour(url: string, organizationId: string): Promise<void> {
  await ask(
    url,
    `insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
     select $1, e.at, metering.uuid_v7(e.at), 'temperature_readings', 500
     from generate_series(0, $2::int - 1) n
     cross join lateral (
       select date_trunc('hour', now()) - interval '1 hour' + n * interval '1 hour' / $2::int as at
     ) e`,
    [organizationId, entriesOfLarge],
  );
}

/** An entry of each other organization, again and again. */
async function keepSending(url: string, large: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await ask(
      url,
      `insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
       select o.id, date_trunc('milliseconds', now()), metering.uuid_v7(now()), 'temperature_readings', 500
       from metering.organizations o where o.id <> $1`,
      [large],
    );
    await sleep(everyMs);
  }
}

const lookEveryMs = 20;

/** The longest transaction of the worker's that was seen, in seconds, without those that only wait for a lock. */
async function watchTransactions(url: string, signal: AbortSignal): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  let longest = 0;
  while (!signal.aborted) {
    const { rows } = await client.query<{ seconds: number | null }>(`
      select extract(epoch from max(clock_timestamp() - xact_start))::float8 as seconds
      from pg_stat_activity
      where datname = current_database() and application_name like '%worker%' and state <> 'idle'
        and wait_event is distinct from 'advisory'
    `);
    longest = Math.max(longest, rows[0]?.seconds ?? 0);
    await sleep(lookEveryMs);
  }
  await client.end();
  return longest;
}

async function expectBilled(url: string, large: string): Promise<void> {
  const [row] = await ask<{ quantity: string }>(
    url,
    "select sum(quantity) as quantity from metering.meter_events where organization_id = $1 and state = 'delivered' and meter = 'temperature_readings'",
    [large],
  );
  if (Number(row?.quantity) !== entriesOfLarge * 500) throw new Error(`${row?.quantity} was billed`);
}

async function readLongestWait(url: string, large: string): Promise<number> {
  const [row] = await ask<{ seconds: number }>(
    url,
    `select max(extract(epoch from coalesce(m.sealed_at, now()) - e.occurred_at))::float8 as seconds
     from metering.meter_outbox e
     left join metering.meter_events m on m.organization_id = e.organization_id and m.id = e.meter_event_id
     where e.organization_id <> $1`,
    [large],
  );
  if (row === undefined) throw new Error("nothing was sent");
  return row.seconds;
}
