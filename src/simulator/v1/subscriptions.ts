import { causeOf } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, missingParameter, resourceMissing } from "../request/errors.ts";
import { mapField, textField, type Form } from "../request/form.ts";
import { listPage } from "../request/list.ts";
import { readMetadata } from "../request/metadata.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { DAY_SECONDS } from "../usage/meter.ts";
import { addSubscription } from "./add-subscription.ts";
import { beginMonth } from "./billing-period.ts";
import { changeSubscription } from "./change-subscription.ts";
import { findSubscription } from "./cycle-subscription.ts";
import { endSubscription } from "./end-subscription.ts";
import { newItem } from "./price.ts";
import { subscriptionObject } from "./subscription-object.ts";
import type { Subscription } from "./subscription.ts";

const SUBSCRIPTIONS_PATH = "/v1/subscriptions";

/** docs.stripe.com/api/subscriptions, certain; always monthly, any price id will do, nothing is ever charged. */
export const subscriptionRoutes: Route[] = [
  { method: "POST", path: SUBSCRIPTIONS_PATH, api: "v1", execute: createSubscription },
  { method: "GET", path: SUBSCRIPTIONS_PATH, api: "v1", execute: listSubscriptions },
  { method: "GET", path: `${SUBSCRIPTIONS_PATH}/:id`, api: "v1", execute: retrieveSubscription },
  { method: "POST", path: `${SUBSCRIPTIONS_PATH}/:id`, api: "v1", execute: updateSubscription },
  { method: "DELETE", path: `${SUBSCRIPTIONS_PATH}/:id`, api: "v1", execute: cancelSubscription },
];

function createSubscription(state: Simulation, request: StripeRequest): Answer {
  const { form } = request;
  const customer = textField(form, "customer") ?? "";
  if (customer === "") return missingParameter("customer");
  const known = state.customers.get(customer);
  if (known === undefined || known.isDeleted) return resourceMissing("customer", customer, "customer");
  const prices = pricesOf(form);
  if (prices.length === 0) return missingParameter("items");
  const trialEnd = readTrialEnd(form, state.clock.nowSeconds());
  if (trialEnd === "invalid") return invalidParameter("Invalid trial.", "trial_end");
  const subscription = addSubscription(state, {
    customer,
    livemode: request.livemode,
    trialEnd,
    metadata: readMetadata(form, {}),
    prices,
    cancelAtPeriodEnd: textField(form, "cancel_at_period_end") === "true",
    cause: causeOf(request),
  });
  return ok(subscriptionObject(subscription));
}

function listSubscriptions(state: Simulation, { form }: StripeRequest): Answer {
  const customer = textField(form, "customer");
  const status = textField(form, "status");
  const found = [...state.subscriptions.keys()]
    .flatMap((id) => findSubscription(state, id) ?? [])
    .filter((subscription) => customer === undefined || subscription.customer === customer)
    .filter((subscription) => isListed(subscription, status));
  return listPage(found.toReversed().map(subscriptionObject), form, SUBSCRIPTIONS_PATH);
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
  changeSubscription(state, subscription, {
    cause: causeOf(request),
    change: () => applyUpdate(state, subscription, { form, trialEnd }),
  });
  return ok(subscriptionObject(subscription));
}

function applyUpdate(
  state: Simulation,
  subscription: Subscription,
  { form, trialEnd }: { form: Form; trialEnd: number | null },
): void {
  const now = state.clock.nowSeconds();
  if (textField(form, "trial_end") === "now" && subscription.status === "trialing") {
    Object.assign(subscription, { status: "active", trialEnd: now });
    beginMonth(subscription, now);
  } else if (trialEnd !== null) {
    Object.assign(subscription, { status: "trialing", trialEnd, anchor: trialEnd, periodEnd: trialEnd });
  }
  const cancelAtPeriodEnd = textField(form, "cancel_at_period_end");
  if (cancelAtPeriodEnd !== undefined) {
    subscription.cancelAtPeriodEnd = cancelAtPeriodEnd === "true";
    subscription.canceledAt = subscription.cancelAtPeriodEnd ? now : null;
  }
  subscription.metadata = readMetadata(form, subscription.metadata);
  for (const price of pricesOf(form)) subscription.items.push(newItem(state, price));
}

function cancelSubscription(state: Simulation, request: StripeRequest): Answer {
  const subscription = findSubscription(state, request.id);
  if (subscription === undefined || subscription.status === "canceled")
    return resourceMissing("subscription", request.id);
  endSubscription(state, subscription, causeOf(request));
  return ok(subscriptionObject(subscription));
}

/** Prices of the items that are new; an item that is named by its id is there already. */
function pricesOf(form: Form): string[] {
  const items = Object.values(mapField(form, "items") ?? {});
  return items.flatMap((item) =>
    typeof item === "object" && textField(item, "id") === undefined ? (textField(item, "price") ?? []) : [],
  );
}

function readTrialEnd(form: Form, now: number): number | null | "invalid" {
  const days = textField(form, "trial_period_days");
  const end =
    textField(form, "trial_end") ??
    (days === undefined ? undefined : String(now + Number(days) * DAY_SECONDS));
  if (end === undefined || end === "now") return null;
  return /^\d{1,12}$/.test(end) && Number(end) > now ? Number(end) : "invalid";
}

/** Without a filter canceled ones are left out; `all` and `ended` are words of the filter only (SDK typings, certain). */
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
