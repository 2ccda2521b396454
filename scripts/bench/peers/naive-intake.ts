import type pg from "pg";
import { mountReadings } from "../../../src/api/readings/readings-route.ts";
import type { Reading } from "../../../src/usage/reading.ts";
import { openNaiveQueue } from "./naive-queues.ts";
import { createPeer, limits, servePeer } from "./peer-server.ts";
import { variable } from "./peer-variable.ts";

// The usual design: a transaction that inserts the readings, and a job for each request. HTTP, authentication,
// validation, pool and prepared statements are ours; the table is the simplest there is, without partitions.
const insertReadings = `
  insert into naive.readings (organization_id, sensor_id, recorded_at, temperature)
  select s.organization_id, i.sensor_id, i.recorded_at, i.temperature
  from unnest($2::text[], $3::timestamptz[], $4::float8[]) as i (sensor_id, recorded_at, temperature)
  join metering.sensors s on s.organization_id = $1::uuid and s.id = i.sensor_id and s.deactivated_at is null
  on conflict do nothing
`;

const { app, pool, log, mayWrite, keys } = createPeer("naive-intake");
const queue = await openNaiveQueue(variable("QUEUE"));
mountReadings(app, {
  store: async (organizationId, readings) => {
    const quantity = await inTransaction(async (client) => {
      const inserted = await insert(client, organizationId, readings);
      await queue.addInTransaction?.(client, { organizationId, quantity: inserted });
      return inserted;
    });
    if (quantity !== readings.length) throw new Error("the bench sends no reading twice");
    await queue.addAfterCommit?.({ organizationId, quantity });
    return readings.map(() => ({ status: "accepted" }));
  },
  log,
  now: () => new Date(),
  limits,
  mayWrite,
  keys,
});

await servePeer(app);

async function insert(client: pg.PoolClient, organizationId: string, readings: readonly Reading[]) {
  const { rowCount } = await client.query({
    name: "insert_readings",
    text: insertReadings,
    values: [
      organizationId,
      readings.map(({ sensorId }) => sensorId),
      readings.map(({ recordedAt }) => recordedAt),
      readings.map(({ temperature }) => temperature),
    ],
  });
  return rowCount ?? 0;
}

async function inTransaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}
