import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db, Trx } from "../database/db.ts";
import { pauseMeter, resumeMeter } from "../delivery/pauses.ts";
import { rejectOfCustomer, rejectReported } from "../delivery/reject.ts";
import { holdSeal } from "../outbox/hold-seal.ts";
import type { StripeReads } from "../stripe/reads.ts";
import { inSpan, type Tracer, untraced } from "../tracing/tracer.ts";
import { type MeterEventNames, meterNames } from "../usage/meters.ts";
import type { Consequence } from "./consequences.ts";
import { adoptInvoice } from "./adopt-invoice.ts";
import { adoptSubscription } from "./adopt-subscription.ts";
import { findMeter } from "./find-meter.ts";
import { flush } from "./flush.ts";
import { findLink, linkOrganization } from "./link-organization.ts";
import { readCustomer } from "./read-customer.ts";
import { isInvoiceReadSince, readInvoice } from "./read-invoice.ts";
import { findLinkOf, findOrganizationsOf, unlinkCustomer } from "./subscriptions.ts";
import { markHandled, readArrival } from "./inbox.ts";
import { type EventPlan, planEvent } from "./plan-event.ts";
import type { StripeEvent } from "./stripe-event.ts";

export type ApplyDeps = {
  db: Db;
  boss: PgBoss;
  reads: StripeReads;
  eventNames: MeterEventNames;
  tracer?: Tracer;
  /** Shadow mode: what is sealed is not sent. */
  isShadow?: boolean;
};

/** What was done about an event, in one word for the log; or why it can never be handled. */
export type Applied =
  | { kind: "done"; effect: string; consequences: readonly Consequence[] }
  | { kind: "unusable"; reason: string };

type Done = Omit<Extract<Applied, { kind: "done" }>, "kind">;
type Effect = (trx: Trx) => Promise<string | Done | undefined>;

/**
 * Applies an event exactly once: makes its reads at Stripe with no transaction open, then writes the effect and marks
 * the event handled in one transaction. Throws the errors of the reads; nothing is written then.
 */
export async function applyStripeEvent(deps: ApplyDeps, event: StripeEvent): Promise<Applied> {
  const plan = planEvent(event);
  if (plan.kind === "unusable") return plan;
  const effect = await prepare(deps, plan, event);
  if (typeof effect !== "function") return effect;
  const done = await inSpan(deps.tracer ?? untraced, { name: "apply" }, () =>
    deps.db.transaction().execute(async (trx) => {
      if (!(await markHandled(trx, event.id))) return "handled_elsewhere";
      return (await effect(trx)) ?? "no_change";
    }),
  );
  return { kind: "done", ...(typeof done === "string" ? { effect: done, consequences: [] } : done) };
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
    case "sync_customer":
      return prepareSync(deps, plan.customerId, event);
    case "invoice":
      return prepareInvoice(deps, plan, event);
    case "unlink":
      return prepareUnlink(deps, plan.customerId);
    case "pause_meter":
    case "resume_meter":
      return prepareMeter(deps, plan);
    case "reject_reported":
      return prepareRejections(deps, plan, event.id);
  }
}

// Events that were handled before the link existed had nothing to change. So the link is written first (twice does no
// harm), and then everything is read again: this second read holds what those events told, and every later event finds
// the link.
async function prepareLink(
  deps: ApplyDeps,
  { organizationId, customerId, subscriptionId }: Extract<EventPlan, { kind: "link" }>,
): Promise<Effect | Applied> {
  const { db, reads } = deps;
  const organization = await sql`select from metering.organizations where id = ${organizationId}`.execute(db);
  if (organization.rows.length === 0) {
    return { kind: "unusable", reason: `there is no organization ${organizationId}` };
  }
  const read = await readCustomer(deps, customerId);
  if (read?.subscriptionIds.includes(subscriptionId) !== true) {
    return { kind: "unusable", reason: `Stripe knows no subscription ${subscriptionId} of ${customerId}` };
  }
  if (await reads.isCustomerDeleted(customerId)) return unlink(customerId);
  const { chosen } = read;
  if (chosen === undefined) return withoutSubscription(deps, { organizationId, customerId });
  await syncRunningLink(deps, { organizationId, customerId });
  const link = await linkOrganization(db, organizationId, { ...read, chosen });
  if (link.kind === "refused") return { kind: "unusable", reason: link.reason };
  const readAgain = await readCustomer(deps, customerId);
  if (await reads.isCustomerDeleted(customerId)) return unlink(customerId);
  return async (trx) => {
    if (readAgain !== undefined) await adoptSubscription(trx, readAgain);
    return link.kind === "linked" ? "linked" : undefined;
  };
}

type Linking = { organizationId: string; customerId: string };

// A support contract that the linked customer buys is none of ours. An organization without a link would be linked to a
// customer whose invoices have none of its usage, so an operator has to look.
async function withoutSubscription(
  { db }: ApplyDeps,
  { organizationId, customerId }: Linking,
): Promise<Effect | Applied> {
  const present = await findLink(db, organizationId);
  if (present?.customerId === customerId) return async () => "none_of_ours";
  return { kind: "unusable", reason: `no subscription of ${customerId} bills our meters` };
}

// Whether a link still runs is decided by Stripe's present state, not by the event that was handled last.
async function syncRunningLink(deps: ApplyDeps, { organizationId, customerId }: Linking): Promise<void> {
  const present = await findLink(deps.db, organizationId);
  if (present === undefined || present.customerId === null || present.customerId === customerId) return;
  const read = await readCustomer(deps, present.customerId);
  if (read !== undefined) await deps.db.transaction().execute((trx) => adoptSubscription(trx, read));
}

// The inbox alone is not believed: a thief who can write into it must not be able to reject a living customer's usage.
async function prepareUnlink({ reads }: ApplyDeps, customerId: string): Promise<Effect> {
  return (await reads.isCustomerDeleted(customerId))
    ? unlink(customerId)
    : async () => "customer_not_deleted";
}

function unlink(customerId: string): Effect {
  return async (trx) => {
    // A seal that is running may make events for the customer. It is waited for, so that none of them stays pending.
    await holdSeal(trx);
    const organizationIds = await unlinkCustomer(trx, customerId);
    const events = await rejectOfCustomer(trx, customerId);
    const unlinked = organizationIds.map(
      (organizationId) => ({ kind: "customer_deleted", organizationId, customerId }) as const,
    );
    return { effect: "unlinked", consequences: [...unlinked, { kind: "rejected", events }] };
  };
}

// For a customer without an organization there is nothing to write; a link that is being made reads again after it is
// written. A read that began after the event had arrived sees what the event tells: of a backlog, thousands of events of one customer
// cost a few reads, and hold up no other customer's.
async function prepareSync(deps: ApplyDeps, customerId: string, event: StripeEvent): Promise<Effect> {
  const link = await findLinkOf(deps.db, customerId, { since: await readArrival(deps.db, event.id) });
  if (link === undefined) return async () => "not_linked";
  if (link.isReadSince) return async () => "read_since";
  const read = await readCustomer(deps, customerId);
  if (read === undefined) return async () => "customer_unknown";
  return (trx) => adoptSubscription(trx, read);
}

/**
 * An event about an invoice makes the worker read that invoice at Stripe, unless it was read since; for a subscription's
 * invoice, the subscriptions too.
 */
async function prepareInvoice(
  deps: ApplyDeps,
  plan: Extract<EventPlan, { kind: "invoice" }>,
  event: StripeEvent,
): Promise<Effect> {
  const { customerId, invoiceId, isOfSubscription, isNew } = plan;
  const organizationIds = await findOrganizationsOf(deps.db, customerId);
  const sync = isOfSubscription ? await prepareSync(deps, customerId, event) : undefined;
  if (organizationIds.length === 0) return async () => "not_linked";
  if (isNew) {
    // The invoice may be the first to tell that a period has ended, and the seal divides usage there. Twice does no harm.
    if (sync !== undefined) await deps.db.transaction().execute(sync);
    await flush(deps, organizationIds);
  } else if (
    await isInvoiceReadSince(deps.db, {
      organizationIds,
      invoiceId,
      since: await readArrival(deps.db, event.id),
    })
  ) {
    return async (trx) => {
      await sync?.(trx);
      return "read_since";
    };
  }
  const read = await readInvoice(deps, { invoiceId, customerId });
  return async (trx) => {
    await sync?.(trx);
    const adopted = await adoptInvoice(trx, read);
    return isNew ? "flushed" : adopted;
  };
}

// The meter's present state counts, whichever event comes last.
async function prepareMeter(
  deps: ApplyDeps,
  { meterId }: Extract<EventPlan, { kind: "pause_meter" | "resume_meter" }>,
): Promise<Effect> {
  deps.reads.meters.forget();
  const meter = await findMeter(deps, meterId);
  if (meter === undefined) return async () => "meter_of_others";
  return async (trx) => {
    const { name: scope, isActive } = meter;
    const isChanged = await (isActive ? resumeMeter(trx, scope) : pauseMeter(trx, scope));
    return {
      effect: isActive ? "meter_resumed" : "meter_paused",
      consequences: isChanged ? [{ kind: isActive ? "resumed" : "paused", scope }] : [],
    };
  };
}

async function prepareRejections(
  deps: ApplyDeps,
  { meterId }: Extract<EventPlan, { kind: "reject_reported" }>,
  eventId: string,
): Promise<Effect> {
  const report = await deps.reads.readErrorReport(eventId);
  const meter = meterId === null ? undefined : await findMeter(deps, meterId);
  // A report that names no meter may be about any of ours; a report about another program's meter is about none.
  const meters = meterId === null ? meterNames : meterNames.filter((name) => name === meter?.name);
  return async (trx) => {
    const { rejected, marked } = await rejectReported(trx, report, { meters });
    const effect = `rejected ${rejected.length}, to be reconciled ${marked}`;
    return { effect, consequences: [{ kind: "rejected", events: rejected, unreadable: report.unreadable }] };
  };
}
