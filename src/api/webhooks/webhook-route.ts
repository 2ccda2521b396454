import { createRoute, z } from "@hono/zod-openapi";
import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { HeldBytes } from "../../http/held-bytes.ts";
import { webhooks } from "../../http/hold-bytes.ts";
import { jsonAnswer, jsonBody } from "../../http/json-content.ts";
import { createOrganizationTurns } from "../../http/organization-turns.ts";
import { bodyProblems, databaseProblems } from "../../http/problem-answers.ts";
import { Problem } from "../../http/problem.ts";
import { readBody } from "../../http/read-body.ts";
import { bodyBytesMax } from "../../http/take-body.ts";
import type { Log } from "../../log.ts";
import { signatureFault } from "../../stripe/verify-webhook.ts";
import { type Tracer, untraced } from "../../tracing/tracer.ts";
import { storeStripeEvent } from "../../billing/inbox.ts";
import { type StripeEvent, stripeEventSchema } from "../../billing/stripe-event.ts";
import { type RefusalReason, watchWebhooks, type WebhookCounts } from "../../billing/webhook-watch.ts";

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

/** The process has ten connections, and other requests of keys have four at most: two are left while both are busy. */
const turns = { atOnce: 4, atOnceOfOne: 4, waitMsMax: 5_000, whose: "Stripe" };

/** Many times the depth of Stripe's events. JSON nested some thousand levels deep can be neither written nor stored. */
const nestingMax = 100;

export type WebhookDeps = {
  db: Db;
  boss: PgBoss;
  /** Each of them is tried: while one is rotated, Stripe signs with the old and the new. */
  secrets: readonly string[];
  now: () => Date;
  /** Where the bodies count: before their signature is verified, they come from strangers. */
  held: HeldBytes;
  log: Log;
  counts?: WebhookCounts;
  tracer?: Tracer;
};

/** Adds `POST /webhooks/stripe`. */
export function mountWebhook(app: App, deps: WebhookDeps): void {
  const { db, boss, secrets, now, held, tracer = untraced } = deps;
  const watch = watchWebhooks(deps.log, deps.counts ?? {});
  const takeTurn = createOrganizationTurns({ ...turns, now: () => performance.now() });
  const refuse = (reason: RefusalReason): Problem => {
    watch.refused(reason);
    return refusal(reason);
  };
  async function store(event: StripeEvent): Promise<boolean> {
    const end = await takeTurn(webhooks);
    try {
      return await storeStripeEvent({ db, boss }, event, { traceparent: tracer.current() });
    } finally {
      end();
    }
  }
  app.openAPIRegistry.registerPath(webhookRoute);
  app.post(webhookRoute.path, async (c) => {
    const signature = c.req.header("stripe-signature");
    // Checked before a byte of the body is read.
    if (signature === undefined) throw refuse("no_signature");
    const hold = held.begin();
    try {
      const payload = await readBody(c.req.raw, { bytesMax: bodyBytesMax, hold });
      const fault = signatureFault({ payload, signature }, { secrets, now: now() });
      const event = fault ?? parseEvent(payload);
      if (typeof event === "string") throw refuse(event);
      const isNew = await store(event);
      if (!isNew) watch.duplicate({ eventId: event.id, eventType: event.type });
    } finally {
      hold.release();
    }
    return c.json({ received: true as const }, 200);
  });
}

function parseEvent(payload: string): StripeEvent | RefusalReason {
  const parsed = parseJson(payload);
  if (parsed === undefined) return "malformed_json";
  const event = isNestedWithin(parsed, nestingMax) ? stripeEventSchema.safeParse(parsed) : undefined;
  return event?.success === true ? event.data : "invalid_event";
}

function isNestedWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isNestedWithin(inner, levels - 1));
}

/** Undefined for a text that is not JSON: JSON has no undefined. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function refusal(reason: RefusalReason): Problem {
  switch (reason) {
    case "malformed_json":
      return new Problem({
        status: 400,
        code: "malformed_json",
        detail: "The body is signed, but it is not valid JSON.",
      });
    case "invalid_event":
      return new Problem({
        status: 400,
        code: "invalid_event",
        detail: "The body is signed, but it is no Stripe event.",
      });
    case "no_signature":
    case "malformed":
    case "empty_body":
    case "too_old":
    case "in_future":
    case "other_secret":
      // The log has the reason: the answer does not tell it to a stranger.
      return new Problem({
        status: 400,
        code: "invalid_signature",
        detail: "The Stripe-Signature is missing, not ours, or more than five minutes off.",
      });
  }
}
