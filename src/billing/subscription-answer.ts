import { z } from "@hono/zod-openapi";
import type { Subscription } from "./subscriptions.ts";

/** A subscription as the API shows it. */
export const subscriptionSchema = z
  .strictObject({
    stripe_customer_id: z.string().nullable(),
    stripe_subscription_id: z.string().nullable(),
    status: z.string(),
    current_period_start: z.iso.datetime().nullable(),
    current_period_end: z.iso.datetime().nullable(),
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
  };
}
