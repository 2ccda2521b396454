import { setTimeout as sleep } from "node:timers/promises";
import type { OperatorApi } from "./operator-api.ts";
import type { Link } from "./subscribe.ts";

const pollEveryMs = 100;
const patienceMs = 30_000;

/**
 * Waits until the API shows that the organization's subscription is active and this customer's, and the one that is named. Throws with what it
 * shows instead when that takes too long.
 */
export async function untilSubscribed(
  { api, signal }: { api: Pick<OperatorApi, "readSubscription">; signal: AbortSignal },
  { organizationId, stripeCustomerId, stripeSubscriptionId }: Link & { stripeSubscriptionId?: string },
): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  for (;;) {
    const subscription = await api.readSubscription(organizationId);
    const isWanted =
      subscription?.status === "active" &&
      subscription.stripe_customer_id === stripeCustomerId &&
      (stripeSubscriptionId === undefined || subscription.stripe_subscription_id === stripeSubscriptionId);
    if (isWanted) return;
    if (performance.now() > deadlineMs) {
      const shown = JSON.stringify(subscription);
      throw new Error(
        `after ${patienceMs / 1_000} seconds organization ${organizationId} has the subscription ${shown}, ` +
          `not an active one of customer ${stripeCustomerId}`,
      );
    }
    await sleep(pollEveryMs, undefined, { signal });
  }
}
