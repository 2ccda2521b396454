import { Hono } from "hono";
import type { Simulation } from "../state.ts";
import { answer, bodyOf } from "./answer-control.ts";
import { complete, cycle, endAsyncPayment, openLink, setSubscription } from "./billing-controls.ts";
import {
  asyncPaymentSchema,
  completionSchema,
  cycleSchema,
  paymentLinkVisitSchema,
  subscriptionChangeSchema,
} from "./billing-schemas.ts";

/** The actions of customers and of time on Checkout sessions and subscriptions. */
export function billingRoutes(current: () => Simulation): Hono {
  const routes = new Hono();

  routes.post("/subscriptions/:id", async (c) =>
    answer(c, subscriptionChangeSchema.safeParse(await bodyOf(c)), (wanted) =>
      setSubscription(current(), c.req.param("id"), wanted),
    ),
  );
  routes.post("/subscriptions/:id/cycle", async (c) =>
    answer(c, cycleSchema.safeParse(await bodyOf(c)), (wanted) =>
      cycle(current(), c.req.param("id"), wanted),
    ),
  );
  routes.post("/checkout/:id/complete", async (c) =>
    answer(c, completionSchema.safeParse(await bodyOf(c)), (wanted) =>
      complete(current(), c.req.param("id"), wanted),
    ),
  );
  routes.post("/checkout/:id/async_payment", async (c) =>
    answer(c, asyncPaymentSchema.safeParse(await bodyOf(c)), (wanted) =>
      endAsyncPayment(current(), c.req.param("id"), wanted),
    ),
  );
  routes.post("/payment_links/open", async (c) =>
    answer(c, paymentLinkVisitSchema.safeParse(await bodyOf(c)), (visit) => openLink(current(), visit)),
  );
  return routes;
}
