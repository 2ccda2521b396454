import { z } from "zod";
import type { StripeEvent } from "./stripe-event.ts";

/** What an event asks for. An event says that something changed, never what it is now: that is read from Stripe. */
export type EventPlan =
  /** A paid or trialing checkout links an organization to its customer and subscription. */
  | { kind: "link"; organizationId: string; customerId: string; subscriptionId: string }
  | { kind: "sync_subscription"; subscriptionId: string }
  /** A draft invoice: whatever usage is here must reach Stripe before it is finalized. */
  | { kind: "flush"; customerId: string; subscriptionId: string | null }
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
const invoice = z.looseObject({
  customer: idOf.nullish(),
  parent: z
    .looseObject({ subscription_details: z.looseObject({ subscription: idOf.nullish() }).nullish() })
    .nullish(),
});

/** Decides from an event's type and object what it asks for. Pure. Types that are not used are no fault. */
export function planEvent(event: StripeEvent): EventPlan {
  const { type } = event;
  const object = event.data?.object;
  if (type.startsWith("checkout.session.")) return planCheckout(type, object);
  if (type.startsWith("customer.subscription.")) {
    return parsed(withId, object, ({ id }) => ({ kind: "sync_subscription", subscriptionId: id }));
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
    // A delayed payment that failed, or has not come yet, links nobody.
    if (session.payment_status === "unpaid") return { kind: "nothing", reason: "unpaid" };
    const organizationId = session.client_reference_id ?? session.metadata?.["organization_id"];
    if (organizationId === undefined) {
      return {
        kind: "unusable",
        reason: "the session has neither client_reference_id nor metadata.organization_id",
      };
    }
    if (!z.uuid().safeParse(organizationId).success) {
      return { kind: "unusable", reason: "the session's organization id is no UUID" };
    }
    const { customer: customerId, subscription: subscriptionId } = session;
    if (typeof customerId !== "string" || typeof subscriptionId !== "string") {
      return { kind: "unusable", reason: "the session has no customer or no subscription" };
    }
    return { kind: "link", organizationId, customerId, subscriptionId };
  });
}

function planInvoice(type: string, object: unknown): EventPlan {
  return parsed(invoice, object, ({ customer, parent }) => {
    const subscriptionId = parent?.subscription_details?.subscription ?? null;
    if (type === "invoice.created" && typeof customer === "string") {
      return { kind: "flush", customerId: customer, subscriptionId };
    }
    if (subscriptionId === null) return { kind: "nothing", reason: "no_subscription" };
    return { kind: "sync_subscription", subscriptionId };
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
