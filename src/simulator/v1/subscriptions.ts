import { causeOf } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { textField, type Form } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import { readMetadata } from "../request/metadata.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { daySeconds } from "../usage/meter.ts";
import { addFinalInvoice } from "./add-invoice.ts";
import { addSubscription } from "./add-subscription.ts";
import { beginPeriod } from "./billing-period.ts";
import { changeSubscription } from "./change-subscription.ts";
import { findSubscription } from "./cycle-subscription.ts";
import { endSubscription } from "./end-subscription.ts";
import { subscriptionObject } from "./subscription-object.ts";
import { readItems } from "./subscription-items.ts";
import type { SubscriptionItem } from "./subscription-item.ts";
import { subscriptionStatuses, type Subscription } from "./subscription.ts";

const subscriptionsPath = "/v1/subscriptions";

/** docs.stripe.com/api/subscriptions, certain; nothing is ever charged. */
export const subscriptionRoutes: Route[] = [
  { method: "POST", path: subscriptionsPath, api: "v1", execute: createSubscription },
  { method: "GET", path: subscriptionsPath, api: "v1", execute: listSubscriptions },
  { method: "GET", path: `${subscriptionsPath}/:id`, api: "v1", execute: retrieveSubscription },
  { method: "POST", path: `${subscriptionsPath}/:id`, api: "v1", execute: updateSubscription },
  { method: "DELETE", path: `${subscriptionsPath}/:id`, api: "v1", execute: cancelSubscription },
];

/** The words that a list may be asked for; `all` and `ended` are words of the filter only (SDK typings, certain). */
const listWords: readonly string[] = [...subscriptionStatuses, "all", "ended"];

function createSubscription(state: Simulation, request: StripeRequest): Answer {
  const { form } = request;
  const customer = textField(form, "customer") ?? "";
  if (customer === "") return missingParameter("customer");
  const known = state.customers.get(customer);
  if (known === undefined || known.isDeleted) return resourceMissing("customer", customer, "customer");
  const read = readItems(state, form, []);
  if ("refusal" in read) return read.refusal;
  const trialEnd = readTrialEnd(form, state.clock.nowSeconds());
  if (trialEnd === "invalid") return invalidParameter("Invalid trial.", "trial_end");
  const startDate = readStartDate(form, state.clock.nowSeconds());
  if (startDate === "invalid") return invalidParameter("Must be in the past.", "backdate_start_date");
  const subscription = addSubscription(state, {
    customer,
    livemode: request.livemode,
    trialEnd,
    startDate,
    metadata: readMetadata(form, {}),
    items: read.items,
    cancelAtPeriodEnd: textField(form, "cancel_at_period_end") === "true",
    cause: causeOf(request),
  });
  return ok(subscriptionObject(subscription));
}

function listSubscriptions(state: Simulation, { form }: StripeRequest): Answer {
  const customer = textField(form, "customer");
  // Reported by users of the list; a deleted customer's subscriptions are listed still.
  if (customer !== undefined && !state.customers.has(customer)) {
    return resourceMissing("customer", customer, "customer");
  }
  const status = textField(form, "status");
  if (status !== undefined && !listWords.includes(status)) {
    return invalidParameter(`Invalid status: must be one of ${listWords.join(", ")}`, "status");
  }
  const price = textField(form, "price");
  const found = [...state.subscriptions.keys()]
    .flatMap((id) => findSubscription(state, id) ?? [])
    .filter((subscription) => customer === undefined || subscription.customer === customer)
    .filter(({ items }) => price === undefined || items.some((item) => item.price.id === price))
    .filter((subscription) => isListed(subscription, status));
  return listPage(found.toReversed().map(subscriptionObject), form, subscriptionsPath);
}

function retrieveSubscription(state: Simulation, { id }: StripeRequest): Answer {
  const subscription = findSubscription(state, id);
  return subscription === undefined
    ? resourceMissing("subscription", id)
    : ok(subscriptionObject(subscription));
}

function updateSubscription(state: Simulation, request: StripeRequest): Answer {
  const { id, form } = request;
  const subscription = findSubscription(state, id);
  if (subscription === undefined) return resourceMissing("subscription", id);
  if (subscription.status === "canceled")
    return invalidParameter("A canceled subscription cannot be updated.");
  const trialEnd = readTrialEnd(form, state.clock.nowSeconds());
  if (trialEnd === "invalid") return invalidParameter("Invalid trial.", "trial_end");
  const read = readItems(state, form, subscription.items);
  if ("refusal" in read) return read.refusal;
  changeSubscription(state, subscription, {
    cause: causeOf(request),
    change: () => applyUpdate(subscription, { form, trialEnd, ...read, now: state.clock.nowSeconds() }),
  });
  return ok(subscriptionObject(subscription));
}

type Update = { form: Form; trialEnd: number | null; items: SubscriptionItem[]; now: number };

function applyUpdate(subscription: Subscription, { form, trialEnd, items, now }: Update): void {
  subscription.items = items;
  if (textField(form, "trial_end") === "now" && subscription.status === "trialing") {
    Object.assign(subscription, { status: "active", trialEnd: now });
    beginPeriod(subscription, now);
  } else if (trialEnd !== null) {
    Object.assign(subscription, { status: "trialing", trialEnd, anchor: trialEnd, periodEnd: trialEnd });
  }
  const cancelAtPeriodEnd = textField(form, "cancel_at_period_end");
  if (cancelAtPeriodEnd !== undefined) {
    subscription.cancelAtPeriodEnd = cancelAtPeriodEnd === "true";
    subscription.canceledAt = subscription.cancelAtPeriodEnd ? now : null;
  }
  subscription.metadata = readMetadata(form, subscription.metadata);
}

function cancelSubscription(state: Simulation, request: StripeRequest): Answer {
  const subscription = findSubscription(state, request.id);
  if (subscription === undefined || subscription.status === "canceled")
    return resourceMissing("subscription", request.id);
  const cause = causeOf(request);
  endSubscription(state, subscription, cause);
  if (textField(request.form, "invoice_now") === "true") addFinalInvoice(state, subscription, cause);
  return ok(subscriptionObject(subscription));
}

function readTrialEnd(form: Form, now: number): number | null | "invalid" {
  const days = textField(form, "trial_period_days");
  const end =
    textField(form, "trial_end") ??
    (days === undefined ? undefined : String(now + Number(days) * daySeconds));
  if (end === undefined || end === "now") return null;
  return /^\d{1,12}$/.test(end) && Number(end) > now ? Number(end) : "invalid";
}

/** Without a filter canceled ones are left out (certain). */
function isListed({ status }: Subscription, filter: string | undefined): boolean {
  switch (filter) {
    case undefined:
      return status !== "canceled";
    case "all":
      return true;
    case "ended":
      return status === "canceled" || status === "incomplete_expired";
    default:
      return status === filter;
  }
}

/** docs.stripe.com/api/subscriptions/create, certain: a past time, given at the creation only. */
function readStartDate(form: Form, now: number): number | undefined | "invalid" {
  const start = textField(form, "backdate_start_date");
  if (start === undefined) return undefined;
  return /^\d{1,12}$/.test(start) && Number(start) <= now ? Number(start) : "invalid";
}
