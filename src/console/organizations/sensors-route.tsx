import { z } from "zod";
import type { ConsoleParts } from "../../api/console-parts.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { invalidRequest } from "../../http/input-errors.ts";
import { toPage } from "../../http/page.ts";
import { notFound } from "../../http/problem.ts";
import { readTemperatures, temperatureSteps } from "../../intake/sensor-readings.ts";
import { findSensor } from "../../intake/sensors.ts";
import { findOrganization } from "../../organizations/organizations.ts";
import { sensorIdSchema } from "../../usage/sensor-id.ts";
import type { ConsoleApp } from "../console-env.ts";
import { showPage } from "../layout/show-page.tsx";
import { organizationIdOf } from "./organizations-route.tsx";
import { SensorPage } from "./sensor-page.tsx";
import { listWithLatest } from "./list-sensors.ts";
import { SensorsPage } from "./sensor-table.tsx";

const pageRows = 50;
const dayMs = 86_400_000;
/** How far back each step goes. */
const spanMs = { day: 365 * dayMs, hour: 7 * dayMs };
const frame = { title: "Sensors", place: "organizations" } as const;
const cursorKey = z.tuple([z.string()]);
const sensorQuery = z.object({ id: sensorIdSchema, step: z.enum(temperatureSteps).default("day") });

/** Adds the sensors of an organization, and what one of them recorded. */
export function mountSensorPages(app: ConsoleApp, { db, now }: ConsoleParts): void {
  app.get("/organizations/:id/sensors", async (c) => {
    const organization = await findOrganization(db, organizationIdOf(c));
    if (organization === undefined) throw notFound("organization");
    const after = decodeCursor(c.req.query("cursor"), cursorKey)?.[0];
    const rows = await listWithLatest(db, organization.id, { after, limit: pageRows + 1 });
    const { data: sensors, next_cursor: next } = toPage(rows, pageRows, ({ id }) => [id]);
    return showPage(c, frame, <SensorsPage organization={organization} sensors={sensors} next={next} />);
  });

  app.get("/organizations/:id/sensor", async (c) => {
    const organization = await findOrganization(db, organizationIdOf(c));
    if (organization === undefined) throw notFound("organization");
    const query = sensorQuery.safeParse(c.req.query());
    if (!query.success) throw invalidRequest("query", query.error.issues);
    const { id: sensorId, step } = query.data;
    const sensor = await findSensor(db, organization.id, sensorId);
    if (sensor === undefined) throw notFound("sensor");
    const to = now();
    const from = new Date(to.getTime() - spanMs[step]);
    const buckets = await readTemperatures(
      db,
      { organizationId: organization.id, sensorId },
      { from, to, step },
    );
    const view = { organization, sensor, step, buckets };
    return showPage(c, { ...frame, title: sensorId }, <SensorPage view={view} />);
  });
}
