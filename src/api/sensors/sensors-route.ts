import { createRoute, z } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { KeyOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { jsonAnswer, jsonBody, optionalJsonBody } from "../../http/json-content.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import { bodyProblems, inputProblems, keyProblems, notFoundProblems } from "../../http/problem-answers.ts";
import { notFound } from "../../http/problem.ts";
import {
  renderSensor,
  sensorChangeSchema,
  sensorSchema,
  sensorsMax,
  sensorsSchema,
} from "./sensor-schema.ts";
import { addressableSensorIdSchema } from "../../usage/sensor-id.ts";
import { findSensor, listSensors, putSensor, registerSensors } from "../../intake/sensors.ts";

const shared = { tags: ["Sensors"], security: [{ apiKey: [] }] };
const params = z.object({ sensor_id: addressableSensorIdSchema });

const putRoute = createRoute({
  ...shared,
  method: "put",
  path: "/v1/sensors/{sensor_id}",
  operationId: "putSensor",
  summary: "Register, rename, deactivate or reactivate a sensor",
  request: { params, body: optionalJsonBody(sensorChangeSchema) },
  responses: {
    200: jsonAnswer("Changed", sensorSchema),
    201: jsonAnswer("Registered", sensorSchema),
    ...keyProblems,
    ...bodyProblems,
  },
});

const registerRoute = createRoute({
  ...shared,
  method: "post",
  path: "/v1/sensors",
  operationId: "registerSensors",
  summary: `Register up to ${sensorsMax} sensors`,
  description: "Known sensors keep their state, and get their new name if one is given.",
  request: { body: jsonBody(sensorsSchema) },
  responses: {
    200: jsonAnswer(
      "All of them, and how many are new",
      z.strictObject({ data: z.array(sensorSchema), registered: z.int() }),
    ),
    ...keyProblems,
    ...bodyProblems,
  },
});

const listRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/sensors",
  operationId: "listSensors",
  summary: "List sensors in the order of their ids",
  request: { query: pageQuery.extend({ active: z.enum(["true", "false"]).optional() }) },
  responses: { 200: jsonAnswer("A page", pageSchema(sensorSchema)), ...keyProblems, ...inputProblems },
});

const getRoute = createRoute({
  ...shared,
  method: "get",
  path: "/v1/sensors/{sensor_id}",
  operationId: "getSensor",
  summary: "Show a sensor",
  request: { params },
  responses: {
    200: jsonAnswer("The sensor", sensorSchema),
    ...keyProblems,
    ...inputProblems,
    ...notFoundProblems,
  },
});

const cursorKey = z.tuple([addressableSensorIdSchema]);

export type SensorRoutes = { db: Db; mayWrite: KeyOnly; mayRead: KeyOnly };

/** Adds the routes of `/v1/sensors`. */
export function mountSensors(app: App, { db, mayWrite, mayRead }: SensorRoutes): void {
  app.openapi({ ...putRoute, middleware: mayWrite }, async (c) => {
    const { name = null, active = null } = c.req.valid("json");
    const change = { id: c.req.valid("param").sensor_id, name, isActive: active };
    const sensor = await putSensor(db, c.var.organizationId, change);
    return c.json(renderSensor(sensor), sensor.isNew ? 201 : 200);
  });

  app.openapi({ ...registerRoute, middleware: mayWrite }, async (c) => {
    const { sensors } = c.req.valid("json");
    const stored = await registerSensors(db, c.var.organizationId, sensors);
    const registered = stored.filter(({ isNew }) => isNew).length;
    return c.json({ data: stored.map(renderSensor), registered }, 200);
  });

  app.openapi({ ...listRoute, middleware: mayRead }, async (c) => {
    const { limit, cursor, active } = c.req.valid("query");
    const after = decodeCursor(cursor, cursorKey)?.[0];
    const isActive = active === undefined ? undefined : active === "true";
    const rows = await listSensors(db, c.var.organizationId, { isActive, after, limit: limit + 1 });
    const page = toPage(rows, limit, ({ id }) => [id]);
    return c.json({ ...page, data: page.data.map(renderSensor) }, 200);
  });

  app.openapi({ ...getRoute, middleware: mayRead }, async (c) => {
    const sensor = await findSensor(db, c.var.organizationId, c.req.valid("param").sensor_id);
    if (sensor === undefined) throw notFound("sensor");
    return c.json(renderSensor(sensor), 200);
  });
}
