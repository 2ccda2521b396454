import { Hono } from "hono";
import type { Simulation } from "../state.ts";
import { answer, bodyOf } from "./answer-control.ts";
import { billingRoutes } from "./billing-routes.ts";
import { billView } from "./bill-view.ts";
import {
  billFilterSchema,
  clockSchema,
  customersSchema,
  faultsSchema,
  keySchema,
  meterEventFilterSchema,
  seedSchema,
  settingsPatchSchema,
} from "./control-schemas.ts";
import {
  addCustomers,
  addFaults,
  changeClock,
  changeKey,
  changeSettings,
  listFaults,
  removeFaults,
  reseed,
} from "./controls.ts";
import { meterEventsView } from "./meter-events-view.ts";
import { requestsView } from "./requests-view.ts";
import { stateView } from "./state-view.ts";
import { usageRoutes } from "./usage-routes.ts";
import { webhookRoutes } from "./webhook-routes.ts";

type Account = { current: () => Simulation; reset: () => void };

/** The simulator's own endpoints, to be mounted under `/_simulator`. They need no key and know no faults. */
export function controlRoutes({ current, reset }: Account): Hono {
  const routes = new Hono();

  routes.get("/state", (c) => c.json(stateView(current())));
  routes.get("/meter_events", (c) =>
    answer(c, meterEventFilterSchema.safeParse(c.req.query()), (filter) =>
      meterEventsView(current(), filter),
    ),
  );
  routes.get("/requests", (c) => c.json(requestsView(current())));
  routes.get("/async_errors", (c) => c.json({ data: current().asyncErrors }));
  routes.get("/bill", (c) =>
    answer(c, billFilterSchema.safeParse(c.req.query()), (filter) => billView(current(), filter)),
  );

  routes.get("/clock", (c) => c.json(changeClock(current(), {})));
  routes.post("/clock", async (c) =>
    answer(c, clockSchema.safeParse(await bodyOf(c)), (change) => changeClock(current(), change)),
  );
  routes.get("/settings", (c) => c.json(current().settings));
  routes.post("/settings", async (c) =>
    answer(c, settingsPatchSchema.safeParse(await bodyOf(c)), (patch) => changeSettings(current(), patch)),
  );
  routes.post("/keys", async (c) =>
    answer(c, keySchema.safeParse(await bodyOf(c)), (change) => {
      changeKey(current(), change);
      return { status: change.status };
    }),
  );
  routes.post("/seed", async (c) =>
    answer(c, seedSchema.safeParse(await bodyOf(c)), ({ seed }) => {
      reseed(current(), seed);
      return { seed };
    }),
  );
  routes.post("/customers", async (c) =>
    answer(c, customersSchema.safeParse(await bodyOf(c)), ({ ids }) => {
      addCustomers(current(), ids);
      return { data: ids };
    }),
  );
  routes.get("/faults", (c) => c.json({ data: listFaults(current()) }));
  routes.post("/faults", async (c) =>
    answer(c, faultsSchema.safeParse(await bodyOf(c)), (specs) => ({
      data: addFaults(current(), specs),
    })),
  );
  routes.delete("/faults", (c) => c.json({ removed: removeFaults(current()) }));
  routes.delete("/faults/:id", (c) => c.json({ removed: removeFaults(current(), c.req.param("id")) }));

  routes.post("/reset", (c) => {
    reset();
    return c.json(stateView(current()));
  });
  routes.route("/", billingRoutes(current));
  routes.route("/", usageRoutes(current));
  routes.route("/", webhookRoutes(current));
  return routes;
}
