import { setTimeout as sleep } from "node:timers/promises";
import type { Account } from "./accounts.ts";
import type { BillLine } from "./bill.ts";
import { queryRows } from "./query-rows.ts";
import { controlSimulator } from "./simulator-control.ts";
import type { StripeAccount } from "./stripe-account.ts";
import type { StripeSide } from "./stripe-side.ts";
import { textTable } from "./bill-table.ts";

const askAgainMs = 200;

/** A billing period of one organization, as each side tells it in the end. */
export type Statement = {
  organization: string;
  /** Rows in Postgres. */
  readings: bigint;
  /** Quantities of the meter events that Stripe has taken. */
  sent: bigint;
  /** Stripe's sum. */
  summed: bigint;
  /** The quantity of the invoice's line. */
  invoiced: bigint;
  sensors: bigint;
  invoicedSensors: bigint;
};

type Deps = {
  stripe: StripeAccount;
  side: StripeSide;
  databaseUrl: string;
  startedAt: Date;
  signal: AbortSignal;
};

/** Ends every organization's billing period at the simulator, which draws up and pays its invoice, and states it. */
export async function drawUpStatements(
  deps: Deps,
  accounts: readonly Account[],
  bill: readonly BillLine[],
): Promise<Statement[]> {
  const end = Math.floor(Date.now() / 1_000) + 1;
  await sleep(end * 1_000 - Date.now() + askAgainMs, undefined, { signal: deps.signal });
  const sent = await readSent(deps.databaseUrl);
  return Promise.all(
    accounts.map(async ({ organizationId, stripeCustomerId }, index) => {
      const line = bill[index];
      if (line === undefined) throw new Error("an account has no bill");
      const invoiced = await endPeriod(deps, { stripeCustomerId, end });
      return {
        organization: line.organization,
        readings: line.stored,
        sent: sent.get(organizationId) ?? 0n,
        summed: line.billed,
        invoiced: invoiced["temperature_readings"] ?? 0n,
        sensors: line.sensors,
        invoicedSensors: invoiced["active_sensors"] ?? 0n,
      };
    }),
  );
}

/** Whether readings, sent usage, Stripe's sum and the invoice's line are equal. */
export function isEqual({ readings, sent, summed, invoiced, sensors, invoicedSensors }: Statement): boolean {
  return readings === sent && readings === summed && readings === invoiced && sensors === invoicedSensors;
}

/** Writes the statements as a table. */
export function renderStatements(statements: readonly Statement[]): string {
  return textTable(
    [
      "statement of",
      "readings",
      "sent",
      "Stripe's sum",
      "invoice line",
      "difference",
      "sensors",
      "invoice line",
    ],
    statements.map((one) => [
      one.organization,
      one.readings,
      one.sent,
      one.summed,
      one.invoiced,
      one.readings - one.invoiced,
      one.sensors,
      one.invoicedSensors,
    ]),
  );
}

async function endPeriod(
  { stripe, side, startedAt }: Deps,
  { stripeCustomerId, end }: { stripeCustomerId: string; end: number },
): Promise<Partial<Record<string, bigint>>> {
  const subscription = await stripe.keepNewestSubscription(stripeCustomerId);
  // An organization that has changed its plan is billed for the whole time, as with Stripe's backdate_start_date.
  const start = Math.floor(startedAt.getTime() / 1_000);
  const period = { current_period_start: start, current_period_end: end };
  await controlSimulator(side, `subscriptions/${subscription}`, period);
  await controlSimulator(side, `subscriptions/${subscription}/cycle`, { payment: "paid" });
  return stripe.readInvoiced(subscription);
}

async function readSent(databaseUrl: string): Promise<Map<string, bigint>> {
  const rows = await queryRows<{ id: string; sent: string }>(
    databaseUrl,
    `select organization_id as id, sum(quantity + counted_before) as sent
     from metering.meter_events
     where meter = 'temperature_readings' and state = 'delivered'
     group by organization_id`,
  );
  return new Map(rows.map(({ id, sent }) => [id, BigInt(sent)]));
}
