import { randomUUID } from "node:crypto";
import { type Insertable, type Selectable, sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { putSubscription } from "../../billing/put-subscription.ts";
import { noteOrganizationOf } from "../../database/customer-organizations.ts";
import type { Db } from "../../database/db.ts";
import type { DB } from "../../database/schema.ts";
import type { MeterEventKey } from "../../usage/meter-event-key.ts";
import { remindToDeliver } from "../../queue/deliver-job.ts";
import type { MeterName } from "../../usage/meters.ts";
import { startOfHour } from "./hours.ts";
import { addOrganization, linkCustomer } from "./organizations.ts";

export const minuteMs = 60_000;

const running = {
  stripeSubscriptionId: null,
  status: "active",
  currentPeriodStart: null,
  currentPeriodEnd: null,
};

/** A moment so many milliseconds ago. */
export function ago(ms: number): Date {
  return new Date(Date.now() - ms);
}

/**
 * Writes a meter event as the seal might have left it ten minutes ago, or in a later state; without entries, and
 * without a job.
 */
export async function addMeterEvent(
  db: Db,
  change: Partial<Insertable<DB["meter_events"]>> = {},
): Promise<MeterEventKey> {
  const customer = change.stripe_customer_id ?? "cus_1";
  const organizationId = change.organization_id ?? (await addOwner(db, customer));
  const eventAt = new Date(change.event_at ?? ago(10 * minuteMs));
  const { id } = await db
    .insertInto("meter_events")
    .values({
      organization_id: organizationId,
      id: sql`metering.uuid_v7(clock_timestamp())`,
      meter: "temperature_readings",
      hour: startOfHour(eventAt),
      quantity: 5,
      event_at: eventAt,
      entries: 1,
      stripe_customer_id: customer,
      sealed_at: ago(10 * minuteMs),
      ...change,
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  return { organizationId, meterEventId: id };
}

// Events of one customer may be of several organizations, as when it was linked to one after the other.
async function addOwner(db: Db, customer: string): Promise<string> {
  const id = await addOrganization(db);
  const put = await putSubscription(db, id, { ...running, stripeCustomerId: customer });
  if (put.kind === "customer_taken") {
    await linkCustomer(db, id, { customer: `cus_${id}` });
    await noteOrganizationOf(db, id, customer);
  }
  return id;
}

/** The same, with the job that reminds of it. */
export async function addDueEvent(
  { db, boss }: { db: Db; boss: PgBoss },
  change: Partial<Insertable<DB["meter_events"]>> & { meter?: MeterName } = {},
): Promise<MeterEventKey> {
  const key = await addMeterEvent(db, change);
  const { meter = "temperature_readings", stripe_customer_id: stripeCustomerId = "cus_1" } = change;
  await remindToDeliver(boss, [{ ...key, meter, stripeCustomerId, ahead: 0 }]);
  return key;
}

/** Writes meter events of so many new organizations, or of these, with one shipment that reminds of them all. */
export async function addShipment(
  { db, boss }: { db: Db; boss: PgBoss },
  of: number | readonly string[],
  change: Partial<Insertable<DB["meter_events"]>> & { meter?: MeterName } = {},
): Promise<{ id: string; keys: MeterEventKey[] }> {
  const id = randomUUID();
  const { meter = "temperature_readings" } = change;
  const organizations: readonly (string | undefined)[] =
    typeof of === "number" ? Array<undefined>(of).fill(undefined) : of;
  const keys: MeterEventKey[] = [];
  for (const organization of organizations) {
    const organizationId = organization ?? (await addOrganization(db, { customer: `cus_${randomUUID()}` }));
    keys.push(
      await addMeterEvent(db, {
        organization_id: organizationId,
        stripe_customer_id: `cus_${organizationId}`,
        shipment_id: id,
        ...change,
      }),
    );
  }
  await remindToDeliver(
    boss,
    keys.map((key) => ({
      ...key,
      meter,
      stripeCustomerId: `cus_${key.organizationId}`,
      ahead: 0,
      shipmentId: id,
    })),
  );
  return { id, keys };
}

/** Everything that is known of a meter event. */
export async function readMeterEvent(
  db: Db,
  { organizationId, meterEventId }: MeterEventKey,
): Promise<Selectable<DB["meter_events"]>> {
  return db
    .selectFrom("meter_events")
    .selectAll()
    .where("organization_id", "=", organizationId)
    .where("id", "=", meterEventId)
    .executeTakeFirstOrThrow();
}

/** The recorded attempts at a meter event, the first one first. */
export async function readAttempts(
  db: Db,
  { meterEventId }: MeterEventKey,
): Promise<Selectable<DB["delivery_attempts"]>[]> {
  return db
    .selectFrom("delivery_attempts")
    .selectAll()
    .where("meter_event_id", "=", meterEventId)
    .orderBy("attempt")
    .execute();
}

export type JobRow = {
  id: string;
  meterEventId: string;
  state: "created" | "retry" | "active" | "completed" | "failed";
  retryCount: number;
  priority: number;
  group: string | null;
  /** How long from now until it may be fetched; none or negative when it may be. */
  dueInMs: number;
};

/** The jobs that remind of a meter event, or of all, the oldest first. */
export async function readDeliverJobs(db: Db, key?: MeterEventKey): Promise<JobRow[]> {
  const { rows } = await sql<JobRow>`
    select
      id, data->>'meterEventId' as "meterEventId", state, retry_count as "retryCount", priority, group_id as "group",
      (extract(epoch from start_after - now()) * 1000)::float8 as "dueInMs"
    from pgboss.job
    where name like 'deliver-%' and ${key === undefined ? sql`true` : sql`data->>'meterEventId' = ${key.meterEventId}`}
    order by created_on, priority desc, id
  `.execute(db);
  return rows;
}

/** The shipments that there are, the oldest first. */
export async function readShipments(
  db: Db,
): Promise<Pick<JobRow, "id" | "state" | "priority" | "retryCount">[]> {
  const { rows } = await sql<Pick<JobRow, "id" | "state" | "priority" | "retryCount">>`
    select id, state, priority, retry_count as "retryCount" from pgboss.job where name like 'ship-%' order by created_on, priority desc, id
  `.execute(db);
  return rows;
}

/** Makes every job that waits for its time due now. */
export async function hurryDeliverJobs(db: Db): Promise<void> {
  await sql`
    update pgboss.job set start_after = now() where (name like 'deliver-%' or name like 'ship-%') and state in ('created', 'retry')
  `.execute(db);
}
