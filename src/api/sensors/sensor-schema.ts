import { z } from "@hono/zod-openapi";
import { nameSchema } from "../../http/name.ts";
import { shortList } from "../../http/short-list.ts";
import type { Sensor } from "../../intake/sensors.ts";
import { addressableSensorIdSchema } from "../../usage/sensor-id.ts";

/** A sensor as the API shows it. */
export const sensorSchema = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    active: z.boolean(),
    registered_at: z.iso.datetime(),
    deactivated_at: z.iso.datetime().nullable(),
  })
  .openapi("Sensor");

/** The body of `PUT /v1/sensors/{sensor_id}`: values that are left out stay as they are. */
export const sensorChangeSchema = z.strictObject({
  name: nameSchema.optional(),
  active: z
    .boolean()
    .optional()
    .openapi({ description: "false deactivates the sensor, true reactivates it" }),
});

export const sensorsMax = 1_000;

/** The body of `POST /v1/sensors`. No id may come twice, because two names for it would leave a choice. */
export const sensorsSchema = z.strictObject({
  sensors: shortList(
    z
      .array(z.strictObject({ id: addressableSensorIdSchema, name: nameSchema.optional() }))
      .superRefine((sensors, check) => {
        const seen = new Set<string>();
        for (const [index, { id }] of sensors.entries()) {
          if (seen.has(id)) {
            const message = "comes twice in this request";
            check.addIssue({ code: "custom", path: [index, "id"], message, params: { code: "duplicate" } });
          }
          seen.add(id);
        }
      }),
    sensorsMax,
  ),
});

/** Renders a sensor. */
export function renderSensor({
  id,
  name,
  registeredAt,
  deactivatedAt,
}: Sensor): z.infer<typeof sensorSchema> {
  return {
    id,
    name,
    active: deactivatedAt === null,
    registered_at: registeredAt.toISOString(),
    deactivated_at: deactivatedAt?.toISOString() ?? null,
  };
}
