import { sql } from "kysely";
import { openDatabase } from "../../../src/database/pool.ts";
import type { Db } from "../../../src/database/db.ts";
import { silentLog } from "../../../src/log.ts";
import { createBoss } from "../../../src/queue/boss.ts";
import { type Reminder, remindToDeliver } from "../../../src/queue/deliver-job.ts";
import { eventsPerShipment } from "../../../src/queue/queues.ts";
import type { PgBoss } from "pg-boss";
import type { Site } from "../site/site.ts";
import { ask } from "../site/site.ts";

export type Tables = { url: string; db: Db; boss: PgBoss; close: () => Promise<void> };

const shipmentsAtOnce = 100;

/** Opens a database of ours as the bench needs it: with a pg-boss that only sends. */
export async function openTables(site: Site, url: string): Promise<Tables> {
  const { db, close } = openDatabase(
    { connectionString: url, applicationName: "bench", connectionsMax: 2, statementTimeoutMs: 0 },
    silentLog,
  );
  const boss = createBoss({ databaseUrl: url, role: "api", connectionsMax: 1 }, silentLog);
  await boss.start();
  let isClosed = false;
  const closeBoth = async () => {
    if (isClosed) return;
    isClosed = true;
    await boss.stop({ graceful: false });
    await close();
  };
  site.teardown.add(closeBoth);
  return { url, db, boss, close: closeBoth };
}

/**
 * Writes `count` meter events that wait to be delivered, spread evenly over the organizations with a customer and over
 * hours, with shipments as seals would have made them; all in one transaction, so that a worker begins with all. Nothing
 * is analyzed: after an outage the statistics are those of empty tables, too.
 */
export async function addDueEvents({ db, boss }: Tables, count: number): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`set local idle_in_transaction_session_timeout = 0`.execute(trx);
    const added = await sql<Reminder>`
      with customers as (
        select organization_id, stripe_customer_id, row_number() over (order by organization_id) - 1 as place
        from metering.subscriptions
      ),
      -- By itself, so that the join below can be made by hash: otherwise each event is compared with each customer.
      numbered as materialized (
        select n % c.customers as place, n / c.customers as hours
        from generate_series(0, ${count}::int - 1) n
        cross join (select count(*) as customers from customers) c
      ),
      due as (
        insert into metering.meter_events
          (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, shipment_id)
        select c.organization_id, metering.uuid_v7(clock_timestamp()), 'temperature_readings', h.hour, 500, h.hour + interval '59 minutes',
          1, c.stripe_customer_id, md5(concat(now(), n.hours, ' ', n.place / ${eventsPerShipment}::int))::uuid
        from numbered n
        join customers c on c.place = n.place
        cross join lateral (
          -- Within the days that Stripe takes.
          select date_trunc('hour', now()) - interval '1 hour' * (1 + n.hours % 700) as hour
        ) h
        returning *
      )
      select organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
        shipment_id as "shipmentId", (row_number() over (partition by organization_id order by id) - 1)::int as ahead
      from due
    `.execute(trx);
    const shipments = [...Map.groupBy(added.rows, ({ shipmentId }) => shipmentId).values()];
    for (let from = 0; from < shipments.length; from += shipmentsAtOnce) {
      await remindToDeliver(boss, shipments.slice(from, from + shipmentsAtOnce).flat(), trx);
    }
  });
}

/** Empties outbox, meter events and reminders, with triggers off. The seal's and the crons' jobs stay. */
export async function truncateOutbox(url: string): Promise<void> {
  await ask(
    url,
    `do $$ begin
       set local session_replication_role = replica;
       truncate metering.meter_outbox, metering.meter_events, metering.delivery_attempts;
       delete from pgboss.job where name like 'deliver-%' or name like 'ship-%';
     end $$`,
  );
}

/** The same, so that every round begins alike. */
export async function emptyOutbox(url: string): Promise<void> {
  await truncateOutbox(url);
  await ask(url, "vacuum analyze");
}

/** Events delivered a second since then, from the first attempt's start to the last event's settling, by the database's clock. */
export async function readDeliveryRate(url: string, since: Date): Promise<number> {
  const [row] = await ask<{ delivered: number; seconds: number }>(
    url,
    `select count(*)::int as delivered,
       extract(epoch from max(delivered_at) - (
         select min(started_at) from metering.delivery_attempts where started_at >= $1
       ))::float8 as seconds
     from metering.meter_events where delivered_at >= $1`,
    [since],
  );
  if (row === undefined || row.seconds <= 0) throw new Error("nothing was delivered");
  return row.delivered / row.seconds;
}
