import { expect, inject } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import { silentLog } from "../../log.ts";
import { apiTest } from "../../testing/fixtures/api-fixture.ts";
import { createTestApi } from "../../testing/processes/api-app.ts";

/** On a cluster its pool refuses every statement that reaches more than one shard. */
const test = apiTest.extend("ofOneShard", async ({ database, api }, { onCleanup }) => {
  const url = new URL(database.as("api").url);
  url.searchParams.set("options", "-c citus.multi_task_query_log_level=error");
  const { db, pool, close } = openDatabase(
    { connectionString: url.href, applicationName: "one shard", connectionsMax: 2 },
    silentLog,
  );
  onCleanup(close);
  const { app } = createTestApi({ db, pool, url: url.href }, { adminToken: api.adminToken });
  return { app, pool };
});

test.runIf(inject("testServer").cluster !== undefined)(
  "a POST of one organization's readings reaches one shard alone, also with readings that are stored already or of no sensor",
  async ({ api, ofOneShard }) => {
    const { key } = await api.join(["ingest"]);
    for (const sensor of ["a", "b"]) await api.ask("PUT", `/v1/sensors/${sensor}`, { token: key, json: {} });
    const recordedAt = new Date(Date.now() - 60_000).toISOString();
    const post = async (...sensors: string[]) => {
      const readings = sensors.map((sensor_id) => ({
        sensor_id,
        recorded_at: recordedAt,
        temperature: 4.5,
      }));
      const answer = await ofOneShard.app.request("/v1/readings", {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ readings }),
      });
      return { status: answer.status, body: await answer.json() };
    };

    expect(await post("a", "b")).toMatchObject({ status: 200, body: { accepted: 2 } });
    expect(await post("a", "nowhere")).toMatchObject({
      status: 200,
      body: { duplicates: 1, rejected: 1 },
    });
    await expect(ofOneShard.pool.query("select count(*) from metering.readings")).rejects.toThrow(
      "multi-task",
    );
  },
);
