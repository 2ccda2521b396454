import { causeOf } from "../events/emit.ts";
import { ok, type Answer } from "../request/answer.ts";
import { invalidParameter, resourceMissing } from "../request/errors.ts";
import type { Route, StripeRequest } from "../request/route.ts";
import type { Simulation } from "../state.ts";
import { beginPeriod, isRunning } from "./billing-period.ts";
import { changeSubscription } from "./change-subscription.ts";
import { nowOf } from "./customer-time.ts";
import { findSubscription } from "./cycle-subscription.ts";
import { subscriptionObject } from "./subscription-object.ts";
import type { Subscription } from "./subscription.ts";

/** docs.stripe.com/api/subscriptions/pause and /resume, certain; what is billed for the pause is not modelled. */
export const pauseRoutes: Route[] = [
  { method: "POST", path: "/v1/subscriptions/:id/pause", api: "v1", execute: pauseSubscription },
  { method: "POST", path: "/v1/subscriptions/:id/resume", api: "v1", execute: resumeSubscription },
];

function pauseSubscription(state: Simulation, request: StripeRequest): Answer {
  return change(state, request, {
    isPossible: isRunning,
    // The period ends with the pause (docs.stripe.com/billing/subscriptions/pause, certain).
    apply: (subscription) => {
      Object.assign(subscription, { status: "paused", periodEnd: nowOf(state, subscription.customer) });
    },
  });
}

function resumeSubscription(state: Simulation, request: StripeRequest): Answer {
  return change(state, request, {
    isPossible: ({ status }) => status === "paused",
    apply: (subscription) => {
      subscription.status = "active";
      // The anchor is `now` unless the request says `unchanged` (SDK typings, certain); only the default is known here.
      beginPeriod(subscription, nowOf(state, subscription.customer));
    },
  });
}

type Step = {
  isPossible: (subscription: Subscription) => boolean;
  apply: (subscription: Subscription) => void;
};

function change(state: Simulation, request: StripeRequest, { isPossible, apply }: Step): Answer {
  const subscription = findSubscription(state, request.id);
  if (subscription === undefined) return resourceMissing("subscription", request.id);
  if (!isPossible(subscription)) {
    return invalidParameter(`This is not possible while the subscription is ${subscription.status}.`);
  }
  changeSubscription(state, subscription, { cause: causeOf(request), change: () => apply(subscription) });
  return ok(subscriptionObject(subscription));
}
