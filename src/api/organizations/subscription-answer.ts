import { z } from "@hono/zod-openapi";
import { uninvoicedReasons, type UninvoicedUsage } from "../../outbox/uninvoiced.ts";
import { meterNames } from "../../usage/meters.ts";
import { customerFaults, type Subscription } from "../../billing/subscriptions.ts";

/** Usage at times that no invoice has. */
export const uninvoicedSchema = z.array(
  z.strictObject({
    meter: z.enum(meterNames),
    reason: z.enum(uninvoicedReasons),
    quantity: z.int(),
  }),
);

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
    uninvoiced_usage: uninvoicedSchema.openapi({
      description:
        "usage, held or sealed within seven days, that no invoice will have, by meter: it lies before the subscription's period, after its end, or there is no subscription that bills our meters. Empty as long as neither a period nor Stripe's subscriptions are known. Of a gauge the largest value",
    }),
  })
  .openapi("Subscription");

/** Renders a subscription. */
export function renderSubscription(
  subscription: Subscription,
  uninvoiced: readonly UninvoicedUsage[],
): z.infer<typeof subscriptionSchema> {
  return {
    stripe_customer_id: subscription.stripeCustomerId,
    stripe_subscription_id: subscription.stripeSubscriptionId,
    status: subscription.status,
    current_period_start: subscription.currentPeriodStart?.toISOString() ?? null,
    current_period_end: subscription.currentPeriodEnd?.toISOString() ?? null,
    customer_fault: subscription.customerFault,
    uninvoiced_usage: uninvoiced.map(({ meter, reason, quantity }) => ({ meter, reason, quantity })),
  };
}
