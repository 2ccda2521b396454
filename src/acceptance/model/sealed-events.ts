import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import type { MeterEventKey } from "../../usage/meter-event-key.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { deliverQueueOf } from "../../queue/queues.ts";
import type { MeterName } from "../../usage/meters.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";

type Deps = { db: Db; boss: PgBoss };

/** Those of a test's pool. */
const connections = 10;

type Usage = { meter: MeterName; hour: number };

/** Seals one meter event for each of `count` new organizations, each with a job of its own; returns their ids. */
export async function sealOneEach(
  { db, boss }: Deps,
  count: number,
  usage: Usage = { meter: "temperature_readings", hour: 1 },
): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await addUsage(db, `cus_${n}`, usage));
  await sealDueEntries({ db, boss }, { meters: [usage.meter], eventsPerShipmentMin: Infinity });
  return ids;
}

export async function sealGauge({ db, boss }: Deps, organizationId: string, hour: number): Promise<void> {
  await appendEntries(db, organizationId, [{ at: hoursAgo(hour), quantity: 2, meter: "active_sensors" }]);
  await sealDueEntries({ db, boss }, { meters: ["active_sensors"] });
}

/** Opens every connection of the pool first: a caller that had to open one would never meet the others. */
export async function meet(db: Db): Promise<void> {
  await Promise.all(Array.from({ length: connections }, () => sql`select pg_sleep(0.02)`.execute(db)));
}

export async function addUsage(db: Db, customer: string, { meter, hour }: Usage): Promise<string> {
  const id = await addOrganization(db, { customer });
  const entries = [10, 20, 30].map((minute) => ({ at: hoursAgo(hour, minute), quantity: minute, meter }));
  await appendEntries(db, id, entries);
  return id;
}

export async function readKeys(db: Db, hour?: number, state?: string): Promise<MeterEventKey[]> {
  const { rows } = await sql<MeterEventKey>`
    select organization_id as "organizationId", id as "meterEventId"
    from metering.meter_events
    where true
      ${hour === undefined ? sql`` : sql`and hour = ${hoursAgo(hour)}`}
      ${state === undefined ? sql`` : sql`and state = ${state}`}
    order by id
  `.execute(db);
  return rows;
}

export async function readIds(db: Db): Promise<string[]> {
  return (await readKeys(db)).map(({ meterEventId }) => meterEventId);
}

export async function countBy(db: Db, column: "state" | "attempts_started"): Promise<Record<string, number>> {
  const { rows } = await sql<{ value: string; count: number }>`
    select ${sql.ref(column)}::text as value, count(*)::int as count from metering.meter_events group by 1
  `.execute(db);
  return Object.fromEntries(rows.map(({ value, count }) => [value, count]));
}

export async function countAttempts(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from metering.delivery_attempts
  `.execute(db);
  return rows[0]?.count ?? 0;
}

/** The jobs that wait. */
export async function countJobs(db: Db, meter: MeterName): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from pgboss.job
    where name = ${deliverQueueOf(meter)} and state in ('created', 'retry')
  `.execute(db);
  return rows[0]?.count ?? 0;
}
