import { setTimeout as sleep } from "node:timers/promises";
import type { Account } from "./accounts.ts";
import { queryRows } from "./query-rows.ts";
import { type Replay, sentReadings } from "./replay.ts";
import type { StripeAccount } from "./stripe-account.ts";

const readAgainAfterMs = 1_000;

/** One organization's readings and sensors as each party counts them. */
export type BillLine = {
  organization: string;
  /** Distinct readings that its gateways had to send. */
  readings: bigint;
  /** Readings that the API answered for; those sent again count again. */
  sent: bigint;
  duplicates: bigint;
  /** Rows in Postgres. */
  stored: bigint;
  /** Sum of the entries' quantities in Postgres. */
  entered: bigint;
  /** Stripe's sum of its meter events. */
  billed: bigint;
  /** Active ones in Postgres. */
  sensors: bigint;
  /** The last count that Stripe has. */
  billedSensors: bigint;
};

export type Books = {
  databaseUrl: string;
  stripe: StripeAccount;
  replay: Replay;
  startedAt: Date;
  /** Stripe's summaries and the first count of sensors may lag behind; how long to read again until all match. */
  patienceMs: number;
  signal: AbortSignal;
};

/** Asks the API's answers, Postgres and Stripe, each for itself, about every organization's readings and sensors. */
export async function drawUpBill(books: Books, accounts: readonly Account[]): Promise<BillLine[]> {
  const deadlineMs = performance.now() + books.patienceMs;
  const counts = await countRows(books.databaseUrl);
  for (;;) {
    const lines = await Promise.all(accounts.map((account) => lineOf(books, account, counts)));
    if (lines.every(isSettled) || performance.now() > deadlineMs) return lines;
    await sleep(readAgainAfterMs, undefined, { signal: books.signal });
  }
}

/**
 * Whether API, database and Stripe count the readings that the gateways had to send, and Stripe as many sensors as
 * there are.
 */
export function isSettled({ readings, stored, entered, billed, sensors, billedSensors }: BillLine): boolean {
  const areReadingsSettled = readings === stored && readings === entered && readings === billed;
  return areReadingsSettled && sensors === billedSensors;
}

type Counts = { stored: bigint; entered: bigint; sensors: bigint };

async function lineOf(
  { replay, stripe, startedAt }: Books,
  account: Account,
  counts: ReadonlyMap<string, Counts>,
): Promise<BillLine> {
  const tally = replay.tallyOf(account);
  const { stored = 0n, entered = 0n, sensors = 0n } = counts.get(account.organizationId) ?? {};
  return {
    organization: account.organization.name,
    readings: BigInt(replay.readingsEach),
    sent: BigInt(sentReadings(tally)),
    duplicates: BigInt(tally.duplicates),
    stored,
    entered,
    billed: await stripe.readBilled("temperature_readings", account.stripeCustomerId, startedAt),
    sensors,
    billedSensors: await stripe.readBilled("active_sensors", account.stripeCustomerId, startedAt),
  };
}

async function countRows(databaseUrl: string): Promise<Map<string, Counts>> {
  const rows = await queryRows<Record<"id" | "stored" | "entered" | "sensors", string>>(
    databaseUrl,
    `
      select
        o.id, coalesce(sum(c.stored), 0) as stored, coalesce(sum(c.entered), 0) as entered,
        coalesce(sum(c.sensors), 0) as sensors
      from (
        select organization_id, count(*) as stored, 0 as entered, 0 as sensors
        from metering.readings
        group by organization_id
        union all
        select organization_id, 0, sum(quantity), 0
        from metering.meter_outbox
        where meter = 'temperature_readings'
        group by organization_id
        union all
        select organization_id, 0, 0, count(*)
        from metering.sensors
        where deactivated_at is null
        group by organization_id
      ) c
      right join metering.organizations o on o.id = c.organization_id
      group by o.id
    `,
  );
  return new Map(
    rows.map(({ id, stored, entered, sensors }) => [
      id,
      { stored: BigInt(stored), entered: BigInt(entered), sensors: BigInt(sensors) },
    ]),
  );
}
