import { Hono } from "hono";
import type { HttpBindings } from "@hono/node-server";
import { controlRoutes } from "./control/control-routes.ts";
import { homeRoutes } from "./control/home-page.ts";
import { refuse } from "./request/errors.ts";
import { deliver } from "./request/deliver.ts";
import { serveRequest } from "./request/serve-request.ts";
import { stripeRoutes } from "./routes.ts";
import type { Simulation } from "./state.ts";

export type SimulatorApp = Hono<{ Bindings: Partial<HttpBindings> }>;

/** Puts Stripe's endpoints and the control endpoints behind one HTTP application. */
export function createApp(account: { current: () => Simulation; reset: () => void }): SimulatorApp {
  const app: SimulatorApp = new Hono();
  for (const route of stripeRoutes) {
    app.on(route.method, route.path, (c) => serveRequest(account.current(), route, c));
  }
  app.route("/_simulator", controlRoutes(account));
  app.route("/", homeRoutes());

  app.notFound((c) => {
    const message = `Unrecognized request URL (${c.req.method}: ${c.req.path}).`;
    const answer = refuse(404, { type: "invalid_request_error", message });
    return deliver(c, { kind: "send", answer }, envelopeOf(account.current()));
  });

  // A request that was cut short while it was read ends here too; no client is left to see the answer.
  app.onError((error, c) => {
    const answer = refuse(500, { type: "api_error", message: `The simulator failed: ${error.message}` });
    return deliver(c, { kind: "send", answer }, envelopeOf(account.current()));
  });
  return app;
}

function envelopeOf(state: Simulation) {
  return { requestId: state.nextId("req"), idempotencyKey: undefined, nowMs: state.clock.nowMs() };
}
