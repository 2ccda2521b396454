import { expect } from "vitest";
import { adminToken, serviceTest as test } from "../testing/fixtures/service-fixture.ts";
import { parseScrape } from "../testing/net/scraped.ts";
import { countWaitingForLocks, holdOpen } from "../testing/postgres/locks.ts";

const november = "meter=temperature_readings&from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z";

test("an operator whose questions take long has a few connections, and readings are stored meanwhile", async ({
  api,
  database,
  launch,
}) => {
  const { id, key } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: key, json: {} });
  const served = launch("api");
  await served.started();
  const ask = (path: string, token: string, json?: unknown) =>
    fetch(served.url() + path, {
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(json !== undefined && { method: "POST", body: JSON.stringify(json) }),
    });
  const release = await holdOpen(database.pool, "lock table metering.meter_events in access exclusive mode");
  const asked = [`/v1/usage/summary?${november}`, `/v1/organizations/${id}/usage?${november}`]
    .flatMap((path) => Array.from({ length: 20 }, () => path))
    .map((path) => ask(path, adminToken));
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(4);

  const reading = { sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 1 };
  expect((await ask("/v1/readings", key, reading)).status).toBe(200);
  expect(await countWaitingForLocks(database.pool)).toBe(4);

  await release();
  expect(new Set((await Promise.all(asked)).map(({ status }) => status))).toEqual(new Set([200]));
  const scraped = parseScrape(await (await fetch(`${served.url()}/metrics`)).text());
  expect(scraped['meter_outbox_database_connections_max{pool="operators",process="api"}']).toBe(4);
});
