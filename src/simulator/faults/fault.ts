import { z } from "zod";
import { rateLimitReasons } from "../request/rate-limit.ts";
import { lateRefusalCodes } from "../usage/async-error.ts";

const matchers = {
  /** The share of matching requests that it strikes. */
  rate: z.number().min(0).max(1).default(1),
  customer: z.string().optional(),
  /** The meter's event name. */
  meter: z.string().optional(),
  /** The beginning of the path. */
  path: z.string().startsWith("/").optional(),
  /** Strikes this many times, then no more. */
  times: z.int().positive().optional(),
};

const milliseconds = z.number().nonnegative().max(600_000);

const latencySchema = z.strictObject({
  kind: z.literal("latency"),
  ...matchers,
  distribution: z.enum(["fixed", "uniform", "exponential"]).default("fixed"),
  /** The delay when fixed, the longest when uniform, the mean when exponential. */
  ms: milliseconds,
  /** The shortest delay when uniform. */
  min_ms: milliseconds.default(0),
});

const actions = [
  z.strictObject({
    kind: z.literal("status"),
    ...matchers,
    status: z.union([z.literal(409), z.literal(429), z.literal(500), z.literal(503)]),
    /** Of a 429; `lock_timeout` is the one without the rate-limit header. */
    reason: z.enum([...rateLimitReasons, "lock_timeout"]).default("endpoint-rate"),
    retry_after_seconds: z.int().nonnegative().optional(),
  }),
  z.strictObject({ kind: z.literal("wrong_key"), ...matchers }),
  z.strictObject({ kind: z.literal("forbidden"), ...matchers }),
  z.strictObject({ kind: z.literal("inactive_meter"), ...matchers }),
  z.strictObject({ kind: z.literal("expired_session"), ...matchers }),
  z.strictObject({ kind: z.literal("cut_before"), ...matchers }),
  z.strictObject({
    kind: z.literal("accept_then_cut"),
    ...matchers,
    /** How much of the answer gets out. After `half_body` the SDK does not resend by itself. */
    sent: z.enum(["nothing", "half_body"]).default("nothing"),
  }),
  z.strictObject({ kind: z.literal("accept_then_500"), ...matchers }),
  z.strictObject({ kind: z.literal("stored_500"), ...matchers }),
  z.strictObject({ kind: z.literal("never_answer"), ...matchers, record: z.boolean().default(false) }),
  z.strictObject({
    kind: z.literal("slow_drip"),
    ...matchers,
    interval_ms: z.number().positive().max(60_000).default(50),
  }),
  z.strictObject({ kind: z.literal("duplicate_processing"), ...matchers }),
  z.strictObject({
    kind: z.literal("refuse_later"),
    ...matchers,
    /** What the error report says of it. */
    code: z.enum(lateRefusalCodes).default("meter_event_customer_not_found"),
  }),
] as const;

const actionSchema = z.discriminatedUnion("kind", actions);

/** A rule that makes the simulator misbehave. */
export const faultSpecSchema = z.discriminatedUnion("kind", [latencySchema, ...actions]);

export type FaultSpec = z.infer<typeof faultSpecSchema>;

/** A rule as it is written, with the defaults left out. */
export type FaultInput = z.input<typeof faultSpecSchema>;

export type LatencySpec = z.infer<typeof latencySchema>;

export type ActionSpec = z.infer<typeof actionSchema>;

/** A rule in force; `fired` counts the requests that it struck. */
export type Fault = { id: string; spec: FaultSpec; fired: number };
