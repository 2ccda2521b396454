import { z } from "@hono/zod-openapi";
import { customerFaults, type Subscription } from "../../billing/subscriptions.ts";

/** A subscription as the API shows it. */
export const subscriptionSchema = z
  .strictObject({
    stripe_customer_id: z.string().nullable(),
    stripe_subscription_id: z.string().nullable(),
    status: z.string(),
    current_period_start: z.iso.datetime().nullable(),
    current_period_end: z.iso.datetime().nullable(),
    customer_fault: z.enum(customerFaults).nullable().openapi({
      description:
        "what Stripe says of the customer, seconds after it was linked by hand: unknown, of the other mode (live or test) than the key, or deleted; null: nothing wrong, or not asked yet",
    }),
  })
  .openapi("Subscription");

/** Writes a subscription the API's way. */
export function renderSubscription(subscription: Subscription): z.infer<typeof subscriptionSchema> {
  return {
    stripe_customer_id: subscription.stripeCustomerId,
    stripe_subscription_id: subscription.stripeSubscriptionId,
    status: subscription.status,
    current_period_start: subscription.currentPeriodStart?.toISOString() ?? null,
    current_period_end: subscription.currentPeriodEnd?.toISOString() ?? null,
    customer_fault: subscription.customerFault,
  };
}
