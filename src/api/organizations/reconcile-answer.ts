import { z } from "@hono/zod-openapi";
import type { ComparedWindows } from "../../reconciliation/compared-windows.ts";

const instant = z.iso.datetime();
const quantity = z
  .string()
  .openapi({ description: "in plain digits; Stripe's may have a fraction or a sign" });

const attemptSchema = z.strictObject({
  attempt: z.int(),
  started_at: instant,
  verdict: z.string(),
  http_status: z.int().nullable(),
  code: z.string().nullable(),
  message: z.string().nullable(),
  stripe_request_id: z.string().nullable(),
});

const eventSchema = z.strictObject({
  id: z.uuid(),
  organization_id: z.uuid(),
  state: z.string(),
  reason: z.string().nullable(),
  quantity,
  event_at: instant,
  delivered_at: instant.nullable(),
  last_error: z.string().nullable(),
  attempts: z.array(attemptSchema),
});

const windowSchema = z.strictObject({
  meter: z.string(),
  stripe_customer_id: z.string(),
  start: instant,
  end: instant,
  ours: quantity.openapi({ description: "what is certainly at Stripe by our rows" }),
  doubtful: quantity.openapi({ description: "what may be there: in doubt, or covered by an error report" }),
  theirs: quantity.openapi({ description: "Stripe's own sum" }),
  result: z.enum(["equal", "settling", "different"]),
  reason: z
    .enum(["moved", "young", "open", "in_doubt", "first_look"])
    .nullable()
    .openapi({ description: "why it is settling" }),
  read_at: instant,
  events: z
    .array(eventSchema)
    .optional()
    .openapi({ description: "of an hour that is not equal: our events of it, 100 at most" }),
});

/** What a comparison found, as the API and the command line tell it. */
export const comparedWindowsSchema = z
  .strictObject({
    windows: z.array(windowSchema),
    reads: z.int().openapi({ description: "requests that Stripe was sent for it" }),
  })
  .openapi("Reconciliation") satisfies z.ZodType<ComparedWindows>;
