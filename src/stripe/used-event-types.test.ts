import { expect, test } from "vitest";
import { planEvent } from "../billing/plan-event.ts";
import { usedEventTypes, usedThinEventTypes } from "./used-event-types.ts";

/** The member that every used type asks for, and so the reason why an endpoint has to send the type. */
const kinds: Record<string, RegExp> = {
  "checkout.session.completed": /^link$/,
  "checkout.session.async_payment_succeeded": /^link$/,
  "customer.subscription.created": /^sync/,
  "customer.subscription.updated": /^sync/,
  "customer.subscription.deleted": /^sync/,
  "customer.subscription.paused": /^sync/,
  "customer.subscription.resumed": /^sync/,
  "customer.deleted": /^unlink$/,
  "invoice.created": /^invoice$/,
  "invoice.finalized": /^invoice$/,
  "invoice.paid": /^invoice$/,
  "invoice.payment_failed": /^invoice$/,
  "invoice.voided": /^invoice$/,
  "invoice.marked_uncollectible": /^invoice$/,
  "invoice.deleted": /^invoice$/,
  "billing.meter.deactivated": /^pause_meter$/,
  "billing.meter.reactivated": /^resume_meter$/,
  "v1.billing.meter.error_report_triggered": /^reject_reported$/,
  "v1.billing.meter.no_meter_found": /^reject_reported$/,
};

/** Has every member that any of the types needs, so that no type has no effect for lack of one. */
const object = {
  id: "id_1",
  mode: "subscription",
  payment_status: "paid",
  client_reference_id: "019a0000-0000-7000-8000-000000000001",
  metadata: { organization_id: "019a0000-0000-7000-8000-000000000001" },
  customer: "cus_1",
  subscription: "sub_1",
  parent: { subscription_details: { subscription: "sub_1" } },
};

test.each([...usedEventTypes, ...usedThinEventTypes])("%s has the effect that it is asked for", (type) => {
  const isThin = usedThinEventTypes.includes(type);
  const plan = planEvent(
    isThin
      ? { id: "evt_1", object: "v2.core.event", type, livemode: false }
      : { id: "evt_1", object: "event", type, livemode: false, data: { object } },
  );
  expect(plan.kind).toMatch(kinds[type] ?? /^a type that the table does not name$/);
});

test("no type without an effect is asked for, and none with one is forgotten", () => {
  expect([...usedEventTypes, ...usedThinEventTypes].toSorted()).toEqual(Object.keys(kinds).toSorted());
  expect(planEvent({ id: "evt_1", object: "event", type: "charge.failed", livemode: false })).toEqual({
    kind: "nothing",
    reason: "unused_type",
  });
});

test("Stripe's list of events takes no more than 20 types at once", () => {
  expect(usedEventTypes.length).toBeLessThanOrEqual(20);
});
