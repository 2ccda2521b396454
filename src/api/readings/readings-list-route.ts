import { createRoute, z } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import type { App } from "../../http/app-env.ts";
import type { KeyOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { jsonAnswer } from "../../http/json-content.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import { inputProblems, keyProblems } from "../../http/problem-answers.ts";
import { readingsKept, tellReadingsKept } from "./readings-kept.ts";
import { type BilledReading, listBilledReadings } from "../../outbox/billed-readings.ts";
import { storedTimeSchema } from "../../usage/recorded-at.ts";
import { addressableSensorIdSchema } from "../../usage/sensor-id.ts";

const billedReadingSchema = z
  .strictObject({
    sensor_id: z.string(),
    recorded_at: z.iso.datetime(),
    temperature: z.number(),
    meter_event_id: z
      .uuid()
      .nullable()
      .openapi({ description: "Stripe's identifier of the record that bills it; null until it is sealed" }),
    entry_dropped: z.boolean().openapi({
      description:
        "true: it was billed so long ago that the entry which leads to meter_event_id is not kept any more",
    }),
  })
  .openapi("BilledReading");

const listRoute = createRoute({
  method: "get",
  path: "/v1/readings",
  operationId: "listReadings",
  summary: "List readings by sensor and time, each with the meter event that bills it",
  tags: ["Readings"],
  security: [{ apiKey: [] }],
  request: {
    query: pageQuery.extend({
      sensor_id: addressableSensorIdSchema.optional(),
      from: storedTimeSchema.optional(),
      to: storedTimeSchema.optional(),
    }),
  },
  responses: {
    200: jsonAnswer("A page", pageSchema(billedReadingSchema).extend(readingsKept)),
    ...keyProblems,
    ...inputProblems,
  },
});

const cursorKey = z.tuple([addressableSensorIdSchema, storedTimeSchema]);

/** Adds `GET /v1/readings`. */
export function mountReadingsList(app: App, { db, mayRead }: { db: Db; mayRead: KeyOnly }): void {
  app.openapi({ ...listRoute, middleware: mayRead }, async (c) => {
    const { limit, cursor, sensor_id: sensorId, from, to } = c.req.valid("query");
    const after = decodeCursor(cursor, cursorKey);
    const filter = { sensorId, from, to, after, limit: limit + 1 };
    const rows = await listBilledReadings(db, c.var.organizationId, filter);
    const page = toPage(rows, limit, (row) => [row.sensorId, row.recordedAt]);
    return c.json({ ...page, data: page.data.map(render), ...(await tellReadingsKept(db)) }, 200);
  });
}

function render(reading: BilledReading): z.infer<typeof billedReadingSchema> {
  return {
    sensor_id: reading.sensorId,
    recorded_at: reading.recordedAt,
    temperature: reading.temperature,
    meter_event_id: reading.meterEventId,
    entry_dropped: reading.isEntryDropped,
  };
}
