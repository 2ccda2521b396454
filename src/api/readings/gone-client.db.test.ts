import { request } from "node:http";
import { expect } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import { createApp } from "../../http/app.ts";
import { startServer } from "../../http/server.ts";
import { silentLog } from "../../log.ts";
import { databaseTest } from "../../testing/postgres/database-fixture.ts";
import { countWaitingForLocks, holdOpen } from "../../testing/postgres/locks.ts";
import { createGroupCommit } from "../../intake/group-commit.ts";
import { mountReadings } from "./readings-route.ts";

const headers = { "content-type": "application/json" };

/** Intake over a real socket, for one organization, whose sensor is `a`. */
const test = databaseTest.extend("url", async ({ database }, { onCleanup }) => {
  const { rows } = await database.pool.query<{ id: string }>(
    "insert into metering.organizations (name) values ('Acme') returning id",
  );
  const organizationId = String(rows[0]?.id);
  await database.pool.query("insert into metering.sensors (organization_id, id) values ($1, 'a')", [
    organizationId,
  ]);
  const way = openDatabase(
    { connectionString: database.url, applicationName: "intake", connectionsMax: 4 },
    silentLog,
  );
  const app = createApp({ log: silentLog });
  mountReadings(app, {
    store: createGroupCommit(way.pool),
    log: silentLog,
    now: () => new Date(),
    limits: { maxAgeDays: 365 },
    mayWrite: async (c, next) => {
      c.set("organizationId", organizationId);
      await next();
    },
  });
  const server = await startServer(app, { host: "127.0.0.1", port: 0 });
  onCleanup(async () => {
    await server.stop(0);
    await way.close();
  });
  return `http://127.0.0.1:${server.port}`;
});

test("a client that goes away in the middle of a shared statement changes nothing for the others", async ({
  database,
  url,
}) => {
  const release = await holdOpen(database.pool, "lock table metering.readings in share mode");
  const gone = request(`${url}/v1/readings`, { method: "POST", headers });
  gone.on("error", () => {});
  gone.end(bodyOf(0));
  const others = [1, 2, 3].map((minute) =>
    fetch(`${url}/v1/readings`, { method: "POST", headers, body: bodyOf(minute) }),
  );
  await expect.poll(() => countWaitingForLocks(database.pool)).toBeGreaterThan(0);
  gone.destroy();
  await release();

  for (const other of await Promise.all(others)) {
    expect(await other.json()).toMatchObject({ accepted: 1, rejected: 0 });
  }
  // Its reading was taken in or not; the stored rows are counted.
  const { rows } = await database.pool.query(`
    select r.readings - e.counted as difference
    from (select count(*)::int as readings from metering.readings) r,
      (select sum(quantity)::int as counted from metering.meter_outbox) e
  `);
  expect(rows).toEqual([{ difference: 0 }]);
});

// Read once, so that a minute that ends during the test makes no two readings one.
const presentMs = Date.now();

function bodyOf(minutesAgo: number): string {
  const recordedAt = new Date(presentMs - minutesAgo * 60_000);
  return JSON.stringify({ sensor_id: "a", recorded_at: recordedAt.toISOString(), temperature: 4.5 });
}
