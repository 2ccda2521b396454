import { createRoute, z } from "@hono/zod-openapi";
import type { Kysely } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../database/schema.ts";
import type { App } from "../http/app.ts";
import type { HeldBytes } from "../http/held-bytes.ts";
import { jsonAnswer, jsonBody } from "../http/json-content.ts";
import { bodyProblems, databaseProblems } from "../http/problem-answers.ts";
import { Problem } from "../http/problem.ts";
import { readBody } from "../http/read-body.ts";
import { bodyBytesMax } from "../http/take-body.ts";
import { isSignedByStripe } from "../stripe/verify-webhook.ts";
import { type Tracer, untraced } from "../tracing/tracer.ts";
import { storeStripeEvent } from "./inbox.ts";
import { type StripeEvent, stripeEventSchema } from "./stripe-event.ts";

const webhookRoute = createRoute({
  method: "post",
  path: "/webhooks/stripe",
  operationId: "receiveStripeEvent",
  summary: "Stripe's events, snapshot and thin, to one address",
  description: "Answered once the event is stored, also for types that are not used. Signed by Stripe.",
  tags: ["Stripe"],
  request: {
    headers: z.object({
      "stripe-signature": z
        .string()
        .openapi({ description: "made with one of the webhook secrets, at most five minutes ago" }),
    }),
    body: jsonBody(stripeEventSchema),
  },
  responses: {
    200: jsonAnswer("Stored, now or before", z.strictObject({ received: z.literal(true) })),
    ...bodyProblems,
    ...databaseProblems,
  },
});

/** Many times what Stripe's events are. What is nested some thousands deep can be neither written nor stored. */
const nestingMax = 100;

export type WebhookDeps = {
  db: Kysely<DB>;
  boss: PgBoss;
  /** Every one is tried: while one is rotated, Stripe signs with the old and the new. */
  secrets: readonly string[];
  now: () => Date;
  /** Where the bodies count; they come from strangers until their signature is verified. */
  held: HeldBytes;
  tracer?: Tracer;
};

/** Adds `POST /webhooks/stripe`. */
export function mountWebhook(app: App, deps: WebhookDeps): void {
  const { db, boss, secrets, now, held, tracer = untraced } = deps;
  app.openAPIRegistry.registerPath(webhookRoute);
  app.post(webhookRoute.path, async (c) => {
    const signature = c.req.header("stripe-signature");
    // Said before a byte of the body is read.
    if (signature === undefined) throw invalidSignature();
    const hold = held.begin();
    try {
      const payload = await readBody(c.req.raw, { bytesMax: bodyBytesMax, hold });
      if (!isSignedByStripe({ payload, signature }, { secrets, now: now() })) throw invalidSignature();
      await storeStripeEvent({ db, boss }, parseEvent(payload), { traceparent: tracer.current() });
    } finally {
      hold.release();
    }
    return c.json({ received: true as const }, 200);
  });
}

function invalidSignature(): Problem {
  const detail = "The Stripe-Signature is missing, not ours, or more than five minutes off.";
  return new Problem({ status: 400, code: "invalid_signature", detail });
}

function parseEvent(payload: string): StripeEvent {
  const parsed = parseJson(payload);
  const event = isNestedWithin(parsed, nestingMax) ? stripeEventSchema.safeParse(parsed) : undefined;
  if (event?.success === true) return event.data;
  const detail = "The body is signed, but it is no Stripe event.";
  throw new Problem({ status: 400, code: "invalid_event", detail });
}

function isNestedWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isNestedWithin(inner, levels - 1));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const detail = "The body is signed, but it is not valid JSON.";
    throw new Problem({ status: 400, code: "malformed_json", detail }, { cause: error });
  }
}
