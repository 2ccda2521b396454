import type { Link, OperatorApi } from "./operator-api.ts";
import type { Joining } from "./replay-plan.ts";
import { controlSimulator } from "./simulator-control.ts";
import type { StripeAccount } from "./stripe-account.ts";
import type { StripeSide } from "./stripe-side.ts";
import { setTimeout as sleep } from "node:timers/promises";

const pollEveryMs = 100;
const patienceMs = 30_000;

export type SubscribeDeps = {
  api: Pick<OperatorApi, "linkCustomer">;
  stripe: StripeAccount;
  side: StripeSide;
};

/**
 * Makes the customer pay for the organization: by a checkout, of which the simulator then tells the API, or by hand where it
 * has subscribed already, or, in a sandbox, by the operator's word, since only a person completes a checkout there and its events don't come here.
 */
export async function subscribe(deps: SubscribeDeps, link: Link, joining: Joining): Promise<void> {
  const { api, stripe, side } = deps;
  switch (side.kind) {
    case "simulator":
      if (joining !== "by_hand") return checkOut(deps, link);
      await stripe.subscribeDirectly(link.stripeCustomerId);
      return api.linkCustomer(link);
    case "sandbox":
      return api.linkCustomer(link);
  }
}

/** The customer goes through another checkout, and the subscription before it ends. Returns the id of the new one. */
export async function changePlan(deps: SubscribeDeps, link: Link): Promise<string> {
  await checkOut(deps, link);
  return deps.stripe.keepNewestSubscription(link.stripeCustomerId);
}

async function checkOut({ stripe, side }: SubscribeDeps, link: Link): Promise<void> {
  await controlSimulator(side, `checkout/${await stripe.openCheckout(link)}/complete`, {});
}

/** The results of `subscribe`, in words. */
export function describeSubscribing({ kind }: StripeSide, organizations: number): string {
  switch (kind) {
    case "simulator":
      return `${organizations} organizations subscribed: one is linked by hand, the others by the simulator's checkout; its signed events came twice each`;
    case "sandbox":
      return `${organizations} organizations are linked to new customers of the sandbox by PUT, without a checkout`;
  }
}

/**
 * Waits until the API shows that the organization's subscription is active, is this customer's, and is the named one.
 * Throws with the present one when that takes too long.
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
