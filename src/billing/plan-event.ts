import { z } from "zod";
import type { StripeEvent } from "./stripe-event.ts";

/** What an event asks for. An event says that something changed; the present state is always read from Stripe. */
export type EventPlan =
  /** A paid or trialing checkout links an organization to its customer and subscription. */
  | { kind: "link"; organizationId: string; customerId: string; subscriptionId: string }
  /** A customer's subscriptions changed: all of them are read. */
  | { kind: "sync_customer"; customerId: string }
  /** Something about an invoice changed. Usage of a new draft must reach Stripe before it is finalized. */
  | { kind: "invoice"; customerId: string; invoiceId: string; isOfSubscription: boolean; isNew: boolean }
  | { kind: "unlink"; customerId: string }
  | { kind: "pause_meter"; meterId: string }
  | { kind: "resume_meter"; meterId: string }
  | { kind: "reject_reported"; meterId: string | null }
  /** Stored, and nothing to do. */
  | { kind: "nothing"; reason: string }
  /** It can never be handled as it is. */
  | { kind: "unusable"; reason: string };

const idOf = z.union([z.string(), z.looseObject({ id: z.string() }).transform(({ id }) => id)]);

const checkoutSession = z.looseObject({
  mode: z.string(),
  payment_status: z.string(),
  client_reference_id: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  customer: idOf.nullish(),
  subscription: idOf.nullish(),
});
const withId = z.looseObject({ id: z.string() });
const ofCustomer = z.looseObject({ customer: idOf });
const invoice = z.looseObject({
  // An invoice that is only announced (`invoice.upcoming`) has no id.
  id: z.string().nullish(),
  customer: idOf.nullish(),
  parent: z
    .looseObject({ subscription_details: z.looseObject({ subscription: idOf.nullish() }).nullish() })
    .nullish(),
  // As an endpoint of an API version before 2025-03-31.basil is told.
  subscription: idOf.nullish(),
});

/** Decides from an event's type and object what it asks for. Pure. A type that is not used is no fault. */
export function planEvent(event: StripeEvent): EventPlan {
  const { type } = event;
  const object = event.data?.object;
  if (type.startsWith("checkout.session.")) return planCheckout(type, object);
  if (type.startsWith("customer.subscription.")) {
    return parsed(ofCustomer, object, ({ customer }) => ({ kind: "sync_customer", customerId: customer }));
  }
  if (type.startsWith("invoice.")) return planInvoice(type, object);
  if (type === "customer.deleted") {
    return parsed(withId, object, ({ id }) => ({ kind: "unlink", customerId: id }));
  }
  return planMeter(event);
}

function planCheckout(type: string, object: unknown): EventPlan {
  const isUsed = type === "checkout.session.completed" || type.startsWith("checkout.session.async_payment_");
  if (!isUsed) return { kind: "nothing", reason: "unused_type" };
  return parsed(checkoutSession, object, (session) => {
    if (session.mode !== "subscription") return { kind: "nothing", reason: "no_subscription" };
    // A delayed payment that failed, or has not come yet, links no organization.
    if (session.payment_status === "unpaid") return { kind: "nothing", reason: "unpaid" };
    const organization = organizationOf(session);
    if ("reason" in organization) return { kind: "unusable", reason: organization.reason };
    const { customer: customerId, subscription: subscriptionId } = session;
    if (typeof customerId !== "string" || typeof subscriptionId !== "string") {
      return { kind: "unusable", reason: "the session has no customer or no subscription" };
    }
    return { kind: "link", organizationId: organization.id, customerId, subscriptionId };
  });
}

// Only the account's owner writes `metadata`. `client_reference_id` of a Payment Link comes from its URL, so the
// visitor who opens the link can choose it: it is used only where `metadata` has no id, and never against it.
function organizationOf(session: z.infer<typeof checkoutSession>): { id: string } | { reason: string } {
  const ofAccount = named(session.metadata?.["organization_id"]);
  const ofReference = named(session.client_reference_id);
  if (ofAccount !== undefined && ofReference !== undefined && ofAccount !== ofReference) {
    return { reason: "the session's metadata.organization_id and client_reference_id differ" };
  }
  const id = ofAccount ?? ofReference;
  if (id === undefined) {
    return { reason: "the session has neither metadata.organization_id nor client_reference_id" };
  }
  return z.uuid().safeParse(id).success ? { id } : { reason: "the session's organization id is no UUID" };
}

/** An empty text is no id; the hexadecimal digits of a UUID may be in upper or lower case. */
function named(id: string | null | undefined): string | undefined {
  return id === null || id === undefined || id === "" ? undefined : id.toLowerCase();
}

function planInvoice(type: string, object: unknown): EventPlan {
  return parsed(invoice, object, ({ id, customer, parent, subscription }) => {
    if (typeof customer !== "string") return { kind: "nothing", reason: "no_customer" };
    if (typeof id !== "string") return { kind: "nothing", reason: "no_invoice" };
    const isOfSubscription = typeof (parent?.subscription_details?.subscription ?? subscription) === "string";
    const isNew = type === "invoice.created";
    return { kind: "invoice", customerId: customer, invoiceId: id, isOfSubscription, isNew };
  });
}

function planMeter(event: StripeEvent): EventPlan {
  const meterId = z.string().safeParse(event.data?.object?.["id"] ?? event.related_object?.id).data ?? null;
  switch (event.type) {
    case "billing.meter.deactivated":
    case "v1.billing.meter.deactivated":
      return meterId === null ? withoutObject : { kind: "pause_meter", meterId };
    case "billing.meter.reactivated":
    case "v1.billing.meter.reactivated":
      return meterId === null ? withoutObject : { kind: "resume_meter", meterId };
    case "v1.billing.meter.error_report_triggered":
    case "v1.billing.meter.no_meter_found":
      return { kind: "reject_reported", meterId };
    default:
      return { kind: "nothing", reason: "unused_type" };
  }
}

const withoutObject: EventPlan = { kind: "unusable", reason: "the event's object is not as expected" };

function parsed<T>(schema: z.ZodType<T>, object: unknown, plan: (object: T) => EventPlan): EventPlan {
  const result = schema.safeParse(object);
  return result.success ? plan(result.data) : withoutObject;
}
