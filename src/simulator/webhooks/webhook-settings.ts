import { z } from "zod";

const copiesMax = 1_000;
const dayMs = 86_400_000;

/** How webhooks behave. All waits are in real time. */
export const webhookSettingsSchema = z.strictObject({
  /** The wait before the second attempt; it doubles with each further one. */
  webhook_retry_ms: z.number().nonnegative().max(dayMs),
  webhook_attempts_max: z.int().min(1).max(100),
  webhook_timeout_ms: z.int().positive().max(dayMs),
  /** How often each event is delivered. That one can arrive twice is certain (docs.stripe.com/webhooks). */
  webhook_copies: z.int().min(1).max(copiesMax),
  webhook_copies_concurrent: z.boolean(),
  /** Gathers events for so long and delivers them in shuffled order, one by one. 0: each leaves at once. */
  webhook_reorder_ms: z.number().nonnegative().max(dayMs),
  /** Keeps new events back until they are released. */
  webhook_hold: z.boolean(),
  /** So many of the next events are never delivered. */
  webhook_drop_next: z.int().nonnegative(),
  /** Added to the time in the signature: below -300 it is too old for receivers. */
  webhook_timestamp_offset_seconds: z.int(),
  /** The clock of the signature; receivers compare it with theirs. */
  webhook_signature_clock: z.enum(["real", "simulator"]),
});

type WebhookSettings = z.infer<typeof webhookSettingsSchema>;

/** Eight attempts over about a minute. */
export const defaultWebhookSettings: Readonly<WebhookSettings> = {
  webhook_retry_ms: 500,
  webhook_attempts_max: 8,
  webhook_timeout_ms: 10_000,
  webhook_copies: 1,
  webhook_copies_concurrent: true,
  webhook_reorder_ms: 0,
  webhook_hold: false,
  webhook_drop_next: 0,
  webhook_timestamp_offset_seconds: 0,
  webhook_signature_clock: "real",
};
