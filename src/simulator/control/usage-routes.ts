import { Hono } from "hono";
import type { Simulation } from "../state.ts";
import { answer, bodyOf } from "./answer-control.ts";
import { chosenUsageSchema, forgetIdentifiers, refuseUsage, usageRefusalSchema } from "./usage-controls.ts";

/** Stripe's actions on usage after it has answered. */
export function usageRoutes(current: () => Simulation): Hono {
  const routes = new Hono();

  routes.post("/meter_events/forget", async (c) =>
    answer(c, chosenUsageSchema.safeParse(await bodyOf(c)), (chosen) => forgetIdentifiers(current(), chosen)),
  );
  routes.post("/meter_events/refuse", async (c) =>
    answer(c, usageRefusalSchema.safeParse(await bodyOf(c)), (refusal) => refuseUsage(current(), refusal)),
  );
  return routes;
}
