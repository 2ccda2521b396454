import { z } from "zod";

/** The members that snapshot and thin events share and that are read here. */
export const stripeEventSchema = z.looseObject({
  id: z.string().min(1).max(255),
  object: z.enum(["event", "v2.core.event"]),
  type: z.string().min(1).max(255),
  livemode: z.boolean(),
  data: z.looseObject({ object: z.looseObject({}).optional() }).nullish(),
  related_object: z.looseObject({ id: z.string() }).nullish(),
});

export type StripeEvent = z.infer<typeof stripeEventSchema>;
