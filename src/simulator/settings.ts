import { z } from "zod";
import { defaultWebhookSettings, webhookSettingsSchema } from "./webhooks/webhook-settings.ts";

/** docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period, certain. */
const graceSecondsMax = 72 * 3_600;

/**
 * Settings for rules on which Stripe's sources conflict or say nothing, and for rules that are off by default.
 * docs/simulator.md tells which is which.
 */
export const settingsSchema = z.strictObject({
  /** docs.stripe.com/api/billing/meter-event: "a rolling period of at least 24 hours". Certain as a lower bound. */
  identifier_window_seconds: z.number().positive(),
  /** No source says whether an identifier is unique per account or per meter. */
  identifier_scope: z.enum(["account", "meter"]),
  /** A second request for a customer and meter: 409 is reported, docs.stripe.com/rate-limits suggests a 429. */
  parallel_status: z.union([z.literal(409), z.literal(429)]),
  /** Of a `last` meter: "most recent event" (configure page) against "final event received" (changelog). */
  last_order: z.enum(["timestamp", "arrival"]),
  /** v2 documents "positive integer"; the guide to v1 allows decimals and negatives. */
  v2_values: z.enum(["positive_integer", "decimal"]),
  /** Summaries are eventually consistent; no source gives a lag. Every event shows up after so long at the earliest. */
  summary_delay_seconds: z.number().nonnegative(),
  /** Each event shows up at a moment of its own, at the latest after so long: sums are partial meanwhile. */
  summary_delay_max_seconds: z.number().nonnegative(),
  /** docs.stripe.com/api/idempotent_requests: prunable once at least 24 hours old. Certain as a lower bound. */
  idempotency_retention_seconds: z.number().positive(),
  /** docs.stripe.com/rate-limits: 1,000 meter events a second in live mode, 25 in a sandbox. Null: no limit. */
  rate_limit_events_per_second: z.number().positive().nullable(),
  /** The same page: each endpoint takes 25 requests a second. Counts GETs, of each key and endpoint; null: no limit. */
  rate_limit_reads_per_second: z.number().positive().nullable(),
  /** The meaning of `request` in a sample error: typings say the request's key, the field's name the meter event's. */
  error_report_names: z.enum(["identifier", "idempotency_key"]),
  /** Its field: `identifier` by the typings, `idempotency_key` in one example of the documentation. */
  error_report_field: z.enum(["identifier", "idempotency_key"]),
  /** The most samples per type of error where the report is not asked for a number; null: all. */
  error_report_samples_max: z.int().nonnegative().nullable(),
  /** docs.stripe.com/rate-limits: 500 reads a transaction over 30 days, 10,000 at least. GETs in 30 days; null: no quota. */
  read_quota: z.int().nonnegative().nullable(),
  /** How long an invoice of a subscription stays a draft: an hour, or up to 72 hours where the account says so. */
  invoice_grace_seconds: z.int().nonnegative().max(graceSecondsMax),
  /** Whether a thin event goes out beside each snapshot event, as an endpoint at Stripe may ask for. */
  thin_twins: z.boolean(),
  ...webhookSettingsSchema.shape,
});

export type Settings = z.infer<typeof settingsSchema>;

/** The settings of a fresh simulation. */
export const defaultSettings: Readonly<Settings> = {
  identifier_window_seconds: 86_400,
  identifier_scope: "account",
  parallel_status: 409,
  last_order: "timestamp",
  v2_values: "positive_integer",
  summary_delay_seconds: 0,
  summary_delay_max_seconds: 0,
  idempotency_retention_seconds: 86_400,
  rate_limit_events_per_second: null,
  rate_limit_reads_per_second: null,
  error_report_names: "identifier",
  error_report_field: "identifier",
  error_report_samples_max: null,
  read_quota: null,
  invoice_grace_seconds: 3_600,
  thin_twins: false,
  ...defaultWebhookSettings,
};
