import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import { inTransaction } from "../database/in-transaction.ts";

export type Sensor = { id: string; name: string; registeredAt: Date; deactivatedAt: Date | null };

/** The changes to a sensor; null leaves a value as it is. */
export type SensorChange = { id: string; name: string | null; isActive: boolean | null };

type StoredSensor = Sensor & { isNew: boolean };

/** Registers a sensor, or changes the given values of it; deactivating an inactive one keeps its time. */
export async function putSensor(
  db: Db,
  organizationId: string,
  { id, name, isActive }: SensorChange,
): Promise<StoredSensor> {
  // Only a row that this statement made has no earlier version to lock.
  const stored = await sql<StoredSensor>`
    insert into metering.sensors as s (organization_id, id, name, deactivated_at)
    values (
      ${organizationId},
      ${id},
      coalesce(${name}::text, ''),
      case when not ${isActive}::boolean then now() end
    )
    on conflict (organization_id, id) do update set
      name = coalesce(${name}::text, s.name),
      deactivated_at = case
        when ${isActive}::boolean is null then s.deactivated_at
        when not ${isActive}::boolean then coalesce(s.deactivated_at, excluded.deactivated_at)
      end
    returning
      s.id, s.name, s.registered_at as "registeredAt", s.deactivated_at as "deactivatedAt",
      s.xmax = 0 as "isNew"
  `.execute(db);
  const [sensor] = stored.rows;
  if (sensor === undefined) throw new Error("the upsert of a sensor returned no row");
  return sensor;
}

/**
 * Registers the sensors that are not known yet, and renames known ones that come with a name; their state stays.
 * Returns all of them, in the order of their ids. No id may come twice.
 */
export async function registerSensors(
  db: Db,
  organizationId: string,
  sensors: readonly { id: string; name?: string | undefined }[],
): Promise<StoredSensor[]> {
  const unnamed = sensors.filter(({ name }) => name === "").map(({ id }) => id);
  if (unnamed.length === 0) return upsertSensors(db, organizationId, sensors);
  return inTransaction(db, async (trx) => {
    const stored = await upsertSensors(trx, organizationId, sensors);
    // Their rows are locked by now, so that the order does not matter.
    await sql`
      update metering.sensors set name = ''
      where organization_id = ${organizationId} and id = any(${unnamed}::text[]) and name <> ''
    `.execute(trx);
    return stored.map((sensor) => (unnamed.includes(sensor.id) ? { ...sensor, name: "" } : sensor));
  });
}

/** A name that is empty changes none. */
async function upsertSensors(
  db: Db,
  organizationId: string,
  sensors: readonly { id: string; name?: string | undefined }[],
): Promise<StoredSensor[]> {
  // Ordered, so that two requests with the same sensors wait for each other and never deadlock.
  const stored = await sql<StoredSensor>`
    insert into metering.sensors as s (organization_id, id, name)
    select ${organizationId}::uuid, id, name
    from unnest(${sensors.map(({ id }) => id)}::text[], ${sensors.map(({ name = "" }) => name)}::text[]) as asked (id, name)
    order by id
    on conflict (organization_id, id) do update set
      name = case when excluded.name = '' then s.name else excluded.name end
    returning
      s.id, s.name, s.registered_at as "registeredAt", s.deactivated_at as "deactivatedAt",
      s.xmax = 0 as "isNew"
  `.execute(db);
  return stored.rows;
}

/** The organization's sensor, or undefined if it has none of that id. */
export async function findSensor(db: Db, organizationId: string, id: string): Promise<Sensor | undefined> {
  return selectSensors(db, organizationId).where("id", "=", id).executeTakeFirst();
}

export type SensorFilter = { isActive: boolean | undefined; after: string | undefined; limit: number };

/** The organization's sensors in the order of their ids, after the given id, at most `limit`. */
export async function listSensors(
  db: Db,
  organizationId: string,
  { isActive, after, limit }: SensorFilter,
): Promise<Sensor[]> {
  let query = selectSensors(db, organizationId);
  if (isActive !== undefined) query = query.where("deactivated_at", isActive ? "is" : "is not", null);
  if (after !== undefined) query = query.where("id", ">", after);
  return query.orderBy("id").limit(limit).execute();
}

function selectSensors(db: Db, organizationId: string) {
  return db
    .selectFrom("sensors")
    .select(["id", "name", "registered_at as registeredAt", "deactivated_at as deactivatedAt"])
    .where("organization_id", "=", organizationId);
}
