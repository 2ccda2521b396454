import type { OperatorApi } from "./operator-api.ts";
import { controlSimulator } from "./simulator-control.ts";
import type { StripeAccount } from "./stripe-account.ts";
import type { StripeSide } from "./stripe-side.ts";

/** Which Stripe customer pays for which organization. */
export type Link = { organizationId: string; stripeCustomerId: string };

export type SubscribeDeps = {
  api: Pick<OperatorApi, "linkCustomer">;
  stripe: StripeAccount;
  side: StripeSide;
};

/**
 * Makes the customer pay for the organization: by a checkout, of which the simulator then tells the API, or, in a
 * sandbox, by the operator's word, since only a person completes a checkout there and its events don't come here.
 */
export async function subscribe({ api, stripe, side }: SubscribeDeps, link: Link): Promise<void> {
  switch (side.kind) {
    case "simulator":
      await controlSimulator(side, `checkout/${await stripe.openCheckout(link)}/complete`, {});
      break;
    case "sandbox":
      await api.linkCustomer(link);
      break;
  }
}

/** What `subscribe` has done, in words. */
export function describeSubscribing({ kind }: StripeSide, organizations: number): string {
  switch (kind) {
    case "simulator":
      return `${organizations} organizations subscribed by the simulator's checkout; its signed events came twice each`;
    case "sandbox":
      return `${organizations} organizations are linked to new customers of the sandbox by PUT, without a checkout`;
  }
}
