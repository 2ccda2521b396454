import type { Db } from "../../database/db.ts";
import { readLatestReadings } from "../../intake/sensor-readings.ts";
import { listSensors } from "../../intake/sensors.ts";
import type { ListedSensor } from "./sensor-table.tsx";

/** Sensors in the order of their ids, each with what it recorded last. */
export async function listWithLatest(
  db: Db,
  organizationId: string,
  { after, limit }: { after?: string | undefined; limit: number },
): Promise<ListedSensor[]> {
  const sensors = await listSensors(db, organizationId, { isActive: undefined, after, limit });
  const latest = await readLatestReadings(
    db,
    organizationId,
    sensors.map(({ id }) => id),
  );
  return sensors.map((one) => ({ ...one, latest: latest.find(({ sensorId }) => sensorId === one.id) }));
}
