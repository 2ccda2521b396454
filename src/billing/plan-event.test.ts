import { expect, test } from "vitest";
import { type EventPlan, planEvent } from "./plan-event.ts";

const organizationId = "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ee";
const session = {
  mode: "subscription",
  payment_status: "paid",
  client_reference_id: organizationId,
  customer: "cus_1",
  subscription: "sub_1",
};
const link: EventPlan = { kind: "link", organizationId, customerId: "cus_1", subscriptionId: "sub_1" };
const subscription = { id: "sub_1", customer: { id: "cus_1" } };
const invoice = {
  id: "in_1",
  customer: "cus_1",
  parent: { subscription_details: { subscription: "sub_1" } },
};
const sync: EventPlan = { kind: "sync_customer", customerId: "cus_1" };

function plan(type: string, object: object): EventPlan {
  return planEvent({ id: "evt_1", object: "event", type, livemode: false, data: { object: { ...object } } });
}

test.each<[string, string, object, Partial<EventPlan>]>([
  ["a paid checkout links", "checkout.session.completed", session, link],
  [
    "a checkout with a trial links",
    "checkout.session.completed",
    { ...session, payment_status: "no_payment_required" },
    link,
  ],
  [
    "an organization may stand in the metadata",
    "checkout.session.completed",
    { ...session, client_reference_id: null, metadata: { organization_id: organizationId } },
    link,
  ],
  [
    "expanded objects count by their ids",
    "checkout.session.completed",
    { ...session, customer: { id: "cus_1" }, subscription: { id: "sub_1" } },
    link,
  ],
  [
    "the metadata and the reference may both name it",
    "checkout.session.completed",
    { ...session, metadata: { organization_id: organizationId.toUpperCase() } },
    link,
  ],
  [
    "metadata that names another organization than the reference makes a checkout unusable",
    "checkout.session.completed",
    { ...session, metadata: { organization_id: "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ef" } },
    {
      kind: "unusable",
      reason: "the session's metadata.organization_id and client_reference_id differ",
    },
  ],
  ["a delayed payment that came links", "checkout.session.async_payment_succeeded", session, link],
  [
    "a checkout that is not paid yet links nobody",
    "checkout.session.completed",
    { ...session, payment_status: "unpaid" },
    { kind: "nothing", reason: "unpaid" },
  ],
  [
    "a delayed payment that failed links nobody",
    "checkout.session.async_payment_failed",
    { ...session, payment_status: "unpaid" },
    { kind: "nothing" },
  ],
  [
    "a one-time payment is none of ours",
    "checkout.session.completed",
    { ...session, mode: "payment" },
    { kind: "nothing" },
  ],
  [
    "a checkout without an organization is unusable",
    "checkout.session.completed",
    { ...session, client_reference_id: null },
    { kind: "unusable" },
  ],
  [
    "a checkout with an organization that is no UUID is unusable",
    "checkout.session.completed",
    { ...session, client_reference_id: "acme" },
    { kind: "unusable" },
  ],
  ["any change of a subscription reads its customer's", "customer.subscription.updated", subscription, sync],
  ["the end of a subscription reads its customer's", "customer.subscription.deleted", subscription, sync],
  [
    "a subscription without a customer is unusable",
    "customer.subscription.updated",
    {},
    { kind: "unusable" },
  ],
  [
    "a failed payment reads the invoice and the subscription",
    "invoice.payment_failed",
    invoice,
    { kind: "invoice", invoiceId: "in_1", customerId: "cus_1", isOfSubscription: true, isNew: false },
  ],
  [
    "an invoice without a subscription is read alone",
    "invoice.paid",
    { id: "in_1", customer: "cus_1" },
    { kind: "invoice", invoiceId: "in_1", isOfSubscription: false },
  ],
  [
    "an invoice of an API version before 2025-03-31.basil names its subscription itself",
    "invoice.created",
    { id: "in_1", customer: "cus_1", subscription: "sub_1" },
    { kind: "invoice", invoiceId: "in_1", isOfSubscription: true, isNew: true },
  ],
  [
    "an invoice that is only announced asks for nothing",
    "invoice.upcoming",
    { customer: "cus_1" },
    { kind: "nothing", reason: "no_invoice" },
  ],
  [
    "a draft invoice flushes usage",
    "invoice.created",
    invoice,
    { kind: "invoice", customerId: "cus_1", isOfSubscription: true, isNew: true },
  ],
  [
    "a deleted customer is unlinked",
    "customer.deleted",
    { id: "cus_1" },
    { kind: "unlink", customerId: "cus_1" },
  ],
  [
    "a deactivated meter pauses",
    "billing.meter.deactivated",
    { id: "mtr_1" },
    { kind: "pause_meter", meterId: "mtr_1" },
  ],
  [
    "a reactivated meter resumes",
    "billing.meter.reactivated",
    { id: "mtr_1" },
    { kind: "resume_meter", meterId: "mtr_1" },
  ],
  ["a type that is not used asks for nothing", "charge.refunded", { id: "ch_1" }, { kind: "nothing" }],
])("%s", (_, type, object, expected) => {
  expect(plan(type, object)).toMatchObject(expected);
});

test("a thin error report names its meter", () => {
  const type = "v1.billing.meter.error_report_triggered";
  const thin = { id: "evt_1", object: "v2.core.event" as const, type, livemode: false };

  expect(planEvent({ ...thin, related_object: { id: "mtr_1" } })).toEqual({
    kind: "reject_reported",
    meterId: "mtr_1",
  });
});
