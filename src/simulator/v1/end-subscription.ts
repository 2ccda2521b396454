import type { Cause } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { changeSubscription } from "./change-subscription.ts";
import { nowOf } from "./customer-time.ts";
import type { Subscription } from "./subscription.ts";

/** Cancels a subscription at once; one that has ended stays as it is. */
export function endSubscription(state: Simulation, subscription: Subscription, cause: Cause): void {
  if (["canceled", "incomplete_expired"].includes(subscription.status)) return;
  const now = nowOf(state, subscription.customer);
  changeSubscription(state, subscription, {
    cause,
    change: () => Object.assign(subscription, { status: "canceled", canceledAt: now, endedAt: now }),
  });
}
