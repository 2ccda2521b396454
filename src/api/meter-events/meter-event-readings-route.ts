import { createRoute, z } from "@hono/zod-openapi";
import type { Db } from "../../database/db.ts";
import { findMeterEvent } from "../../delivery/meter-events.ts";
import type { App } from "../../http/app-env.ts";
import type { AdminOnly } from "../../http/authentication.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { jsonAnswer } from "../../http/json-content.ts";
import { pageQuery, pageSchema, toPage } from "../../http/page.ts";
import { adminProblems, inputProblems, notFoundProblems, problemAnswer } from "../../http/problem-answers.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { type EventReading, listEventReadings } from "../../outbox/event-readings.ts";
import { areEntriesDropped, readSealedEvents } from "../../outbox/sealed-events.ts";
import { storedTimeSchema } from "../../usage/recorded-at.ts";
import { addressableSensorIdSchema } from "../../usage/sensor-id.ts";
import { readingsKept, tellReadingsKept } from "../readings/readings-kept.ts";

const eventReadingSchema = z
  .strictObject({
    organization_id: z.uuid(),
    sensor_id: z.string(),
    recorded_at: z.iso.datetime(),
    temperature: z.number(),
    entry_id: z.uuid().openapi({ description: "the entry of the meter event that counts it" }),
  })
  .openapi("MeterEventReading");

const listRoute = createRoute({
  method: "get",
  path: "/v1/meter-events/{id}/readings",
  operationId: "listMeterEventReadings",
  summary: "List the readings that a meter event bills, by entry, sensor and time",
  description:
    "An event that replaces another bills the same readings. Sensor counts, and usage that another service recorded, have none.",
  tags: ["Meter events"],
  security: [{ adminToken: [] }],
  request: { params: z.object({ id: z.uuid() }), query: pageQuery },
  responses: {
    200: jsonAnswer("A page", pageSchema(eventReadingSchema).extend(readingsKept)),
    ...adminProblems,
    ...inputProblems,
    ...notFoundProblems,
    410: problemAnswer("Retention has dropped its entries, which lead to its readings"),
  },
});

const cursorKey = z.tuple([z.uuid(), addressableSensorIdSchema, storedTimeSchema]);

/** Adds `GET /v1/meter-events/{id}/readings`. */
export function mountMeterEventReadings(app: App, { db, adminOnly }: { db: Db; adminOnly: AdminOnly }): void {
  app.openapi({ ...listRoute, middleware: adminOnly }, async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const after = decodeCursor(cursor, cursorKey);
    const event = await findMeterEvent(db, c.req.valid("param").id);
    if (event === undefined) throw notFound("meter event");
    const sealed = await readSealedEvents(db, event);
    if (await areEntriesDropped(db, sealed)) {
      const detail = "Its entries are not kept any more, so nobody can tell which readings it bills.";
      throw new Problem({ status: 410, code: "entries_dropped", detail });
    }
    const rows = await listEventReadings(db, sealed, { after, limit: limit + 1 });
    const page = toPage(rows, limit, (row) => [row.entryId, row.sensorId, row.recordedAt]);
    const data = page.data.map(renderEventReading);
    return c.json({ ...page, data, ...(await tellReadingsKept(db)) }, 200);
  });
}

export function renderEventReading(reading: EventReading): z.infer<typeof eventReadingSchema> {
  return {
    organization_id: reading.organizationId,
    sensor_id: reading.sensorId,
    recorded_at: reading.recordedAt,
    temperature: reading.temperature,
    entry_id: reading.entryId,
  };
}
