import { emit, emitUpdate, type Cause } from "../events/emit.ts";
import type { Simulation } from "../state.ts";
import { subscriptionObject } from "./subscription-object.ts";
import type { Subscription } from "./subscription.ts";

/**
 * Changes a subscription and tells of it in Stripe's types: `deleted` for one that is cancelled, otherwise `updated`,
 * with `paused` and `resumed` beside it (that `updated` comes along with these is our guess).
 */
export function changeSubscription(
  state: Simulation,
  subscription: Subscription,
  { cause, change }: { cause: Cause; change: () => void },
): void {
  const before = subscriptionObject(subscription);
  change();
  const object = subscriptionObject(subscription);
  const about = { object, livemode: subscription.livemode, cause };
  if (object.status === "canceled" && before.status !== "canceled") {
    emit(state, { ...about, type: "customer.subscription.deleted" });
    return;
  }
  emitUpdate(state, { ...about, type: "customer.subscription.updated", before });
  if (object.status === before.status) return;
  if (object.status === "paused") emit(state, { ...about, type: "customer.subscription.paused" });
  if (before.status === "paused") emit(state, { ...about, type: "customer.subscription.resumed" });
}
