import { Hono } from "hono";
import { reportErrors } from "../events/report-errors.ts";
import type { Simulation } from "../state.ts";
import { endpointInputSchema, endpointPatchSchema } from "../webhooks/endpoint.ts";
import { releaseHeld, releaseSchema } from "../webhooks/release.ts";
import { answer, answerFound, bodyOf } from "./answer-control.ts";
import { injectedEventSchema, injectEvent } from "./injected-event.ts";
import {
  addEndpoint,
  changeEndpoint,
  deliveryFilterSchema,
  errorReportSchema,
  listDeliveries,
  removeEndpoint,
  resend,
} from "./webhook-controls.ts";

/** Endpoints, their deliveries, and events of the caller's own. */
export function webhookRoutes(current: () => Simulation): Hono {
  const routes = new Hono();

  routes.get("/webhook_endpoints", (c) => c.json({ data: [...current().webhooks.endpoints.values()] }));
  routes.post("/webhook_endpoints", async (c) =>
    answer(c, endpointInputSchema.safeParse(await bodyOf(c)), (input) => addEndpoint(current(), input)),
  );
  routes.post("/webhook_endpoints/:id", async (c) =>
    answer(c, endpointPatchSchema.safeParse(await bodyOf(c)), (patch) =>
      changeEndpoint(current(), c.req.param("id"), patch),
    ),
  );
  routes.delete("/webhook_endpoints/:id", (c) =>
    c.json({ removed: removeEndpoint(current(), c.req.param("id")) }),
  );

  routes.get("/webhook_deliveries", (c) =>
    answer(c, deliveryFilterSchema.safeParse(c.req.query()), (filter) => ({
      data: listDeliveries(current(), filter),
      held: current().webhooks.held.map(({ stored, endpoint }) => ({
        event_id: stored.event.id,
        type: stored.event.type,
        endpoint_id: endpoint.id,
      })),
    })),
  );
  routes.post("/webhook_deliveries/release", async (c) => {
    const release = releaseSchema.safeParse(await bodyOf(c));
    if (!release.success) return answer(c, release, () => undefined);
    return c.json(await releaseHeld(current(), release.data));
  });

  routes.post("/events", async (c) =>
    answer(c, injectedEventSchema.safeParse(await bodyOf(c)), (event) => injectEvent(current(), event)),
  );
  routes.post("/error_reports", async (c) =>
    answer(c, errorReportSchema.safeParse(await bodyOf(c)), (wanted) => ({
      data: reportErrors(current(), wanted),
    })),
  );
  routes.post("/events/:id/resend", (c) => answerFound(c, resend(current(), c.req.param("id"))));
  return routes;
}
