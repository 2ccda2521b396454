import { createRoute, z } from "@hono/zod-openapi";
import type { Kysely } from "kysely";
import type { DB } from "../database/schema.ts";
import type { App } from "../http/app.ts";
import type { AdminOnly } from "../http/authentication.ts";
import { instantSchema } from "../http/instant.ts";
import { jsonAnswer, jsonBody } from "../http/json-content.ts";
import { organizationIdOf, organizationParams } from "../http/organization-reference.ts";
import { adminProblems, bodyProblems, notFoundProblems } from "../http/problem-answers.ts";
import { notFound } from "../http/problem.ts";
import { renderSubscription, subscriptionSchema } from "./subscription-answer.ts";
import { putSubscription, type Subscription } from "./subscriptions.ts";

const stripeId = z.string().regex(/^[\w-]{1,255}$/, "must be a Stripe id of up to 255 characters");

/** What a `PUT` of a subscription takes. */
export const subscriptionBody = z
  .strictObject({
    stripe_customer_id: stripeId,
    status: z.string().regex(/^[a-z_]{1,64}$/, "must be a status of Stripe's, such as active"),
    stripe_subscription_id: stripeId.nullish(),
    current_period_start: instantSchema.nullish(),
    current_period_end: instantSchema.nullish(),
  })
  .refine(
    (body) => (body.current_period_start ?? null) === null || (body.current_period_end ?? null) !== null,
    {
      path: ["current_period_end"],
      message: "must be given with current_period_start",
      params: { code: "missing" },
    },
  )
  .refine(
    (body) => (body.current_period_end ?? null) === null || (body.current_period_start ?? null) !== null,
    {
      path: ["current_period_start"],
      message: "must be given with current_period_end",
      params: { code: "missing" },
    },
  )
  .refine(
    ({ current_period_start: start, current_period_end: end }) => {
      return start === undefined || start === null || end === undefined || end === null || start < end;
    },
    {
      path: ["current_period_end"],
      message: "must be later than current_period_start",
      params: { code: "invalid_period" },
    },
  );

const putRoute = createRoute({
  method: "put",
  path: "/v1/organizations/{id}/subscription",
  operationId: "putSubscription",
  summary: "Set who pays for an organization",
  description:
    "For migrations and tests. Replaces the whole subscription; Stripe's webhooks keep it afterwards.",
  tags: ["Organizations"],
  security: [{ adminToken: [] }],
  request: { params: organizationParams, body: jsonBody(subscriptionBody) },
  responses: {
    200: jsonAnswer("As stored", subscriptionSchema),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
  },
});

/** Adds `PUT /v1/organizations/{id}/subscription`. */
export function mountSubscriptions(
  app: App,
  { db, adminOnly }: { db: Kysely<DB>; adminOnly: AdminOnly },
): void {
  app.openapi({ ...putRoute, middleware: adminOnly }, async (c) => {
    const organizationId = await organizationIdOf(db, c.req.valid("param").id);
    const stored = await putSubscription(db, organizationId, subscriptionOf(c.req.valid("json")));
    if (stored === undefined) throw notFound("organization");
    return c.json(renderSubscription(stored), 200);
  });
}

/** What a `PUT` says. */
export function subscriptionOf(body: z.infer<typeof subscriptionBody>): Subscription {
  return {
    stripeCustomerId: body.stripe_customer_id,
    stripeSubscriptionId: body.stripe_subscription_id ?? null,
    status: body.status,
    currentPeriodStart: body.current_period_start ?? null,
    currentPeriodEnd: body.current_period_end ?? null,
  };
}
