import { createRoute, z } from "@hono/zod-openapi";
import type { PgBoss } from "pg-boss";
import { apiOperator, recordAction } from "../../actions/operator-actions.ts";
import type { Db, Trx } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { instantSchema } from "../../http/instant.ts";
import { jsonAnswer, jsonBody } from "../../http/json-content.ts";
import { organizationIdOf, organizationParams } from "../../http/organization-reference.ts";
import {
  adminProblems,
  bodyProblems,
  notFoundProblems,
  problemAnswer,
  problemSchema,
} from "../../http/problem-answers.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { allowedStatuses, statusPattern } from "../../usage/subscription-statuses.ts";
import { linkByHand, type Put } from "../../billing/put-subscription.ts";
import { readUninvoiced } from "../../outbox/uninvoiced.ts";
import { renderSubscription, subscriptionSchema, uninvoicedSchema } from "./subscription-answer.ts";
import { customerFaults, type NewSubscription, type Subscription } from "../../billing/subscriptions.ts";

/** As Stripe writes its ids, up to 255 characters. */
const stripeId = (prefix: "cus" | "sub", what: string) =>
  z.string().regex(new RegExp(`^${prefix}_[\\w-]{1,251}$`), `must be ${what}, ${prefix}_…`);

/** The body of a `PUT` of a subscription. */
export const subscriptionBody = z
  .strictObject({
    stripe_customer_id: stripeId("cus", "a customer id of Stripe's"),
    status: z.string().regex(statusPattern, allowedStatuses),
    stripe_subscription_id: stripeId("sub", "a subscription id of Stripe's").nullish(),
    current_period_start: instantSchema.nullish(),
    current_period_end: instantSchema.nullish(),
    customer_fault: z
      .enum(customerFaults)
      .nullish()
      .openapi({ description: "as shown; taken so that what GET shows can be PUT again, and ignored" }),
    uninvoiced_usage: uninvoicedSchema
      .nullish()
      .openapi({ description: "as shown; taken so that what GET shows can be PUT again, and ignored" }),
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

const takenSchema = z
  .strictObject({ ...problemSchema.shape, organization_id: z.uuid() })
  .openapi("CustomerTaken");

const putRoute = createRoute({
  method: "put",
  path: "/v1/organizations/{id}/subscription",
  operationId: "putSubscription",
  summary: "Set who pays for an organization",
  description:
    "For migrations and tests. Replaces the whole subscription. A worker then reads customer and subscriptions at Stripe: if one of them bills our meters it is followed from then on.",
  tags: ["Organizations"],
  security: [{ adminToken: [] }],
  request: { params: organizationParams, body: jsonBody(subscriptionBody) },
  responses: {
    200: jsonAnswer("As stored", subscriptionSchema),
    ...adminProblems,
    ...bodyProblems,
    ...notFoundProblems,
    409: problemAnswer("The customer is linked to another organization", { schema: takenSchema }),
  },
});

/** Adds `PUT /v1/organizations/{id}/subscription`. */
export function mountSubscriptions(
  app: App,
  { db, boss, adminOnly }: { db: Db; boss: PgBoss; adminOnly: AdminOnly },
): void {
  app.openapi({ ...putRoute, middleware: adminOnly }, async (c) => {
    const organizationId = await organizationIdOf(db, c.req.valid("param").id);
    const wanted = subscriptionOf(c.req.valid("json"));
    const subject = wanted.stripeCustomerId ?? undefined;
    const alsoIn = (trx: Trx) =>
      recordAction(trx, apiOperator, { action: "link_customer", organizationId, subject });
    const put = await linkByHand({ db, boss, alsoIn }, organizationId, wanted);
    const stored = storedOrThrow(put);
    const uninvoiced = await readUninvoiced(db, { organizationIds: [organizationId] });
    return c.json(renderSubscription(stored, uninvoiced), 200);
  });
}

/** The subscription that the body of a `PUT` describes. */
export function subscriptionOf(body: z.infer<typeof subscriptionBody>): NewSubscription {
  return {
    stripeCustomerId: body.stripe_customer_id,
    stripeSubscriptionId: body.stripe_subscription_id ?? null,
    status: body.status,
    currentPeriodStart: body.current_period_start ?? null,
    currentPeriodEnd: body.current_period_end ?? null,
  };
}

function storedOrThrow(put: Put): Subscription {
  switch (put.kind) {
    case "stored":
      return put.subscription;
    case "no_organization":
      throw notFound("organization");
    case "customer_taken": {
      const detail = `The customer is linked to organization ${put.organizationId}; one customer belongs to one.`;
      const members = { organization_id: put.organizationId };
      throw new Problem({ status: 409, code: "customer_taken", detail, members });
    }
  }
}
