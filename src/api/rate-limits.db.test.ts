import { expect } from "vitest";
import { z } from "zod";
import { apiTest } from "../testing/fixtures/api-fixture.ts";
import { createTestApi } from "../testing/processes/api-app.ts";

type Limits = { requestsPerSecond?: number; readingsPerSecond?: number };

/** A gateway's key with a sensor, and a process with limits to ask. */
const test = apiTest.extend("gateway", async ({ api, database }) => {
  const { adminToken } = api;
  const { key } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: key });

  function serveWith(rateLimits: Limits) {
    const { app } = createTestApi(database, { adminToken, rateLimits });
    const ask = async (path: string, token = key) =>
      app.request(path, { headers: { authorization: `Bearer ${token}` } });
    const post = async (body: string, type: string, token = key) =>
      app.request("/v1/readings", {
        method: "POST",
        body,
        headers: { authorization: `Bearer ${token}`, "content-type": type },
      });
    return { ask, post };
  }
  async function countStored() {
    const { rows } = await database.pool.query<{ count: number }>(
      "select count(*)::int from metering.readings",
    );
    return rows[0]?.count;
  }
  return { key, serveWith, countStored };
});

const json = "application/json";
const ndjson = "application/x-ndjson";
const firstAt = Date.now() - 3_600_000 * 24;
const readings = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => ({
    sensor_id: "a",
    recorded_at: new Date(firstAt + (from + index) * 1_000).toISOString(),
    temperature: 20.5,
  }));
const lines = (count: number, from?: number) =>
  readings(count, from)
    .map((reading) => `${JSON.stringify(reading)}\n`)
    .join("");

async function expectRefusal(answer: Response) {
  expect(answer.status).toBe(429);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(await answer.json()).toMatchObject({ code: "rate_limited", status: 429 });
  const retryAfter = answer.headers.get("retry-after") ?? "";
  expect(retryAfter).toMatch(/^[1-9]\d*$/);
  return Number(retryAfter);
}

test("a key that asks too often is told when to come again, and another key is not", async ({
  gateway: { serveWith },
  api,
}) => {
  const { ask } = serveWith({ requestsPerSecond: 1 });
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask("/v1/sensors")));
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.length).toBeLessThan(30);
  for (const answer of refused) expect(await expectRefusal(answer)).toBe(1);

  const other = await api.join();
  expect((await ask("/v1/sensors", other.key)).status).toBe(200);
});

test("the operator and wrong keys are not counted", async ({ gateway: { serveWith }, api }) => {
  const { ask } = serveWith({ requestsPerSecond: 1, readingsPerSecond: 1 });
  for (let asked = 0; asked < 10; asked += 1) {
    expect((await ask("/v1/organizations", api.adminToken)).status).toBe(200);
    expect((await ask("/v1/sensors", "mo_wrong")).status).toBe(401);
  }
});

test("a request of more readings than the limit is stored whole, and the next one waits", async ({
  gateway: { serveWith, countStored },
}) => {
  const { post, ask } = serveWith({ readingsPerSecond: 1 });
  expect((await post(JSON.stringify(readings(500)), json)).status).toBe(200);
  expect(await expectRefusal(await post(JSON.stringify(readings(1, 500)), json))).toBeGreaterThan(300);
  expect(await expectRefusal(await post(lines(1, 500), ndjson))).toBeGreaterThan(300);
  expect(await countStored()).toBe(500);
  expect((await ask("/v1/sensors")).status).toBe(200);
});

test("NDJSON is never stopped half-way, and every line of it is charged", async ({
  gateway: { serveWith, countStored },
}) => {
  const { post } = serveWith({ readingsPerSecond: 1 });
  expect((await post(lines(2_500), ndjson)).status).toBe(200);
  expect(await countStored()).toBe(2_500);
  expect(await expectRefusal(await post(JSON.stringify(readings(1)), json))).toBeGreaterThan(2_300);
});

const operations = z.record(
  z.string(),
  z.record(
    z.string(),
    z.looseObject({
      security: z.array(z.record(z.string(), z.unknown())).default([]),
      responses: z.record(
        z.string(),
        z.looseObject({ headers: z.record(z.string(), z.unknown()).optional() }),
      ),
    }),
  ),
);

test("the document names the answer on every route that takes a key, and on no other", async ({ api }) => {
  const { body } = await api.ask("GET", "/openapi.json");
  const all = Object.values(operations.parse(body["paths"])).flatMap((methods) => Object.values(methods));
  const isForKeys = ({ security }: (typeof all)[number]) => security.some((one) => "apiKey" in one);
  expect(all.filter(isForKeys).length).toBeGreaterThan(5);
  for (const operation of all) {
    const headers = operation.responses["429"]?.headers;
    expect(headers !== undefined && "Retry-After" in headers).toBe(isForKeys(operation));
  }
});
