import { type Kysely, sql, type Transaction } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import { hurryOrganization } from "../delivery/hurry.ts";
import { pauseMeter, resumeMeter } from "../delivery/pauses.ts";
import { rejectOfCustomer, rejectReported } from "../delivery/reject.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import type { StripeReads } from "../stripe/reads.ts";
import { type MeterEventNames, type MeterName, meterNames } from "../usage/meters.ts";
import { findOrganizationOf, linkOrganization, syncSubscription, unlinkCustomer } from "./subscriptions.ts";
import { markHandled } from "./inbox.ts";
import { type EventPlan, planEvent } from "./plan-event.ts";
import type { StripeEvent } from "./stripe-event.ts";

export type ApplyDeps = {
  db: Kysely<DB>;
  boss: PgBoss;
  reads: StripeReads;
  eventNames: MeterEventNames;
};

/** What was done about an event, in one word for the log; or why nothing ever can be. */
export type Applied = { kind: "done"; effect: string } | { kind: "unusable"; reason: string };

type Effect = (trx: Transaction<DB>) => Promise<string | undefined>;

/**
 * Applies an event exactly once: reads what it needs from Stripe with no transaction open, then writes the effect and
 * marks the event handled in one transaction. Throws what the reads throw; nothing is written then.
 */
export async function applyStripeEvent(deps: ApplyDeps, event: StripeEvent): Promise<Applied> {
  const plan = planEvent(event);
  if (plan.kind === "unusable") return plan;
  const effect = await prepare(deps, plan, event);
  if (typeof effect !== "function") return effect;
  const name = await deps.db.transaction().execute(async (trx) => {
    if (!(await markHandled(trx, event.id))) return "handled_elsewhere";
    return (await effect(trx)) ?? "no_change";
  });
  return { kind: "done", effect: name };
}

async function prepare(
  deps: ApplyDeps,
  plan: Exclude<EventPlan, { kind: "unusable" }>,
  event: StripeEvent,
): Promise<Effect | Applied> {
  switch (plan.kind) {
    case "nothing":
      return async () => plan.reason;
    case "link":
      return prepareLink(deps, plan);
    case "sync_subscription":
      return prepareSync(deps, plan.subscriptionId);
    case "flush":
      return prepareFlush(deps, plan);
    case "unlink":
      return async (trx) => {
        await unlinkCustomer(trx, plan.customerId);
        await rejectOfCustomer(trx, plan.customerId);
        return "unlinked";
      };
    case "pause_meter":
    case "resume_meter":
      return prepareMeter(deps, plan);
    case "reject_reported":
      return prepareRejections(deps, plan, event.id);
  }
}

async function prepareLink(
  { db, reads }: ApplyDeps,
  plan: Extract<EventPlan, { kind: "link" }>,
): Promise<Effect | Applied> {
  const readBeganAt = await readDatabaseClock(db);
  const subscription = await reads.readSubscription(plan.subscriptionId);
  if (subscription === undefined)
    return { kind: "unusable", reason: "Stripe does not know the subscription" };
  if (await reads.isCustomerDeleted(subscription.customerId)) {
    return async () => "customer_deleted";
  }
  const organization = await sql`
    select from metering.organizations where id = ${plan.organizationId}
  `.execute(db);
  if (organization.rows.length === 0) {
    return { kind: "unusable", reason: `there is no organization ${plan.organizationId}` };
  }
  return (trx) => linkOrganization(trx, plan.organizationId, { subscription, readBeganAt });
}

async function prepareSync({ db, reads }: ApplyDeps, subscriptionId: string): Promise<Effect> {
  const readBeganAt = await readDatabaseClock(db);
  const subscription = await reads.readSubscription(subscriptionId);
  if (subscription === undefined) return async () => "subscription_unknown";
  return (trx) => syncSubscription(trx, { subscription, readBeganAt });
}

// Sealing and hurrying may happen twice without harm, so they come before the one transaction that counts.
async function prepareFlush(deps: ApplyDeps, plan: Extract<EventPlan, { kind: "flush" }>): Promise<Effect> {
  const { db, boss } = deps;
  const sync = plan.subscriptionId === null ? undefined : await prepareSync(deps, plan.subscriptionId);
  const organizationId = await findOrganizationOf(db, plan.customerId);
  if (organizationId !== undefined) {
    await hurryOrganization({ db, boss }, organizationId);
    await sealDueEntries({ db, boss }, { meters: meterNames, first: organizationId });
  }
  return async (trx) => {
    await sync?.(trx);
    return organizationId === undefined ? undefined : "flushed";
  };
}

async function prepareMeter(
  { reads, eventNames }: ApplyDeps,
  plan: Extract<EventPlan, { kind: "pause_meter" | "resume_meter" }>,
): Promise<Effect> {
  const meter = await findMeter({ reads, eventNames }, plan.meterId);
  if (meter === undefined) return async () => "meter_of_others";
  return async (trx) => {
    await (plan.kind === "pause_meter" ? pauseMeter(trx, meter) : resumeMeter(trx, meter));
    return plan.kind === "pause_meter" ? "meter_paused" : "meter_resumed";
  };
}

async function prepareRejections(
  { reads, eventNames }: ApplyDeps,
  plan: Extract<EventPlan, { kind: "reject_reported" }>,
  eventId: string,
): Promise<Effect> {
  const report = await reads.readErrorReport(eventId);
  const meter = plan.meterId === null ? undefined : await findMeter({ reads, eventNames }, plan.meterId);
  return async (trx) => {
    const { rejected, marked } = await rejectReported(trx, report, { meter });
    return `rejected ${rejected}, to be reconciled ${marked}`;
  };
}

async function findMeter(
  { reads, eventNames }: Pick<ApplyDeps, "reads" | "eventNames">,
  meterId: string,
): Promise<MeterName | undefined> {
  const eventName = await reads.readMeterEventName(meterId);
  return meterNames.find((name) => eventNames[name] === eventName);
}

/** The one clock that reads by several workers can be ordered by. */
async function readDatabaseClock(db: Kysely<DB>): Promise<Date> {
  const clock = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  const [row] = clock.rows;
  if (row === undefined) throw new Error("the database has no clock");
  return row.now;
}
