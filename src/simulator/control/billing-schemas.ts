import { z } from "zod";
import { paymentStatuses } from "../v1/checkout-session.ts";
import { pauseBehaviors, subscriptionStatuses } from "../v1/subscription.ts";

const unixSeconds = z.int().nonnegative();

export const subscriptionChangeSchema = z.strictObject({
  status: z.enum(subscriptionStatuses).optional(),
  current_period_start: unixSeconds.optional(),
  current_period_end: unixSeconds.optional(),
  pause_collection: z.enum(pauseBehaviors).nullable().optional(),
});

/** `payment`: whether the new invoice is also paid or fails to be; without it the invoice stays a draft. */
export const cycleSchema = z.strictObject({ payment: z.enum(["paid", "failed"]).optional() });

/** `async`: the payment takes days, so the session completes `unpaid`. */
export const completionSchema = z
  .strictObject({ payment_status: z.enum(paymentStatuses).optional(), async: z.boolean().optional() })
  .refine((body) => body.async !== true || (body.payment_status ?? "unpaid") === "unpaid", {
    message: "An asynchronous payment is unpaid at first.",
  });

export const asyncPaymentSchema = z.strictObject({ succeeded: z.boolean() });

/** A visitor opens a Payment Link, with any query behind its URL. */
export const paymentLinkVisitSchema = z.strictObject({ url: z.url() });

export type PaymentLinkVisit = z.infer<typeof paymentLinkVisitSchema>;
export type SubscriptionChange = z.infer<typeof subscriptionChangeSchema>;
export type Cycle = z.infer<typeof cycleSchema>;
export type Completion = z.infer<typeof completionSchema>;
export type AsyncPayment = z.infer<typeof asyncPaymentSchema>;
