import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import { z } from "zod";
import { bodyBytesMax } from "../../http/take-body.ts";
import { createTestApi } from "../../testing/processes/api-app.ts";
import { apiTest } from "../../testing/fixtures/api-fixture.ts";
import { countReadingsAndEntries } from "../../testing/rows/readings.ts";
import { checkedRequests } from "../../testing/openapi/checked-requests.ts";
import { readingsMax } from "./accept-document.ts";

const json = { "content-type": "application/json" };
const gzip = { ...json, "content-encoding": "gzip" };
const minuteMs = 60_000;

type Body = string | Uint8Array<ArrayBuffer> | ReadableStream;
const answerSchema = z.record(z.string(), z.unknown());

/** A measurement whose digits occur in no time and no duration. */
const measured = "-41.0625";

/** A reading of sensor `a`, this many minutes old. */
const reading = (minutesAgo: number, change: object = {}) => ({
  sensor_id: "a",
  recorded_at: new Date(Date.now() - minutesAgo * minuteMs).toISOString(),
  temperature: Number(measured),
  ...change,
});

/** A gateway with a key, two sensors, and full control of the bytes it posts. */
const test = apiTest.extend("gateway", async ({ api, database }) => {
  const { app, events } = createTestApi(database.as("api"), { adminToken: api.adminToken });
  const { id, key, keyId } = await api.join();
  const sensors = { sensors: [{ id: "a" }, { id: "off" }] };
  await api.ask("POST", "/v1/sensors", { token: key, json: sensors });
  await api.ask("PUT", "/v1/sensors/off", { token: key, json: { active: false } });

  async function post(body: Body, headers: Record<string, string> = json, token = key) {
    const authorization = `Bearer ${token}`;
    const init = { method: "POST", body, headers: { authorization, ...headers } };
    const response = await checkedRequests(app)("/v1/readings", {
      ...init,
      ...(body instanceof ReadableStream && { duplex: "half" }),
    });
    return { status: response.status, body: answerSchema.parse(await response.json()) };
  }

  const countStored = () => countReadingsAndEntries(database.pool);
  return { id, key, keyId, events, countStored, post, send: (body: unknown) => post(JSON.stringify(body)) };
});

const nothing = { readings: 0, entries: 0 };

for (const [form, body, readings] of [
  ["an object with a list", { readings: [reading(1), reading(2)] }, 2],
  ["a bare list", [reading(1), reading(2)], 2],
  ["one reading alone", reading(1), 1],
] as const) {
  test(`readings may be sent as ${form}`, async ({ gateway }) => {
    const answer = await gateway.send(body);

    const counts = { accepted: readings, duplicates: 0, rejected: 0 };
    expect(answer).toEqual({ status: 200, body: { ...counts, results: [] } });
    expect(await gateway.countStored()).toEqual({ readings, entries: 1 });
  });
}

for (const contentType of ["application/json; charset=utf-8", "Application/JSON"]) {
  test(`readings may come as ${contentType}`, async ({ gateway }) => {
    const answer = await gateway.post(JSON.stringify(reading(1)), { "content-type": contentType });

    expect(answer.status).toBe(200);
  });
}

test("readings may be compressed", async ({ gateway }) => {
  const answer = await gateway.post(gzipSync(JSON.stringify([reading(1), reading(2)])), gzip);

  expect(answer).toMatchObject({ status: 200, body: { accepted: 2 } });
});

test("each reading that was not plainly accepted is told by its place, with the reason", async ({
  gateway,
}) => {
  const known = reading(1);
  await gateway.send(known);

  const { status, body } = await gateway.send([
    reading(2),
    known,
    { ...known, temperature: 21 },
    reading(3, { sensor_id: "nobody" }),
    reading(3, { sensor_id: "off" }),
    reading(366 * 1_440),
    reading(-6),
    reading(3, { humidity: 40 }),
    { sensor_id: "a", recorded_at: "yesterday" },
    null,
    reading(3),
  ]);

  expect(status).toBe(200);
  expect(body).toMatchObject({ accepted: 2, duplicates: 1, rejected: 8 });
  const detail: unknown = expect.any(String);
  const error = (pointer: string, code: string) => ({ pointer, code, detail });
  const rejected = (index: number, code: string) => ({ index, status: "rejected", code, detail });
  const invalid = (index: number, ...errors: object[]) => ({ ...rejected(index, "invalid"), errors });
  expect(body["results"]).toEqual([
    { index: 1, status: "duplicate", code: "duplicate", detail },
    rejected(2, "conflict"),
    rejected(3, "unknown_sensor"),
    rejected(4, "sensor_inactive"),
    rejected(5, "too_old"),
    rejected(6, "in_future"),
    invalid(7, error("/humidity", "unknown_field")),
    invalid(8, error("/recorded_at", "invalid"), error("/temperature", "missing")),
    invalid(9, error("", "invalid")),
  ]);
});

test("readings that were all rejected are answered 422, in the same form", async ({ gateway }) => {
  const answer = await gateway.send([reading(1, { sensor_id: "nobody" }), {}]);

  expect(answer).toMatchObject({ status: 422, body: { accepted: 0, duplicates: 0, rejected: 2 } });
  expect(answer.body["results"]).toMatchObject([{ code: "unknown_sensor" }, { code: "invalid" }]);
  expect(await gateway.countStored()).toEqual(nothing);
});

test("readings that were all sent before are answered 200", async ({ gateway }) => {
  const readings = [reading(1), reading(2)];
  await gateway.send(readings);

  const answer = await gateway.send(readings);

  expect(answer).toMatchObject({ status: 200, body: { accepted: 0, duplicates: 2, rejected: 0 } });
});

test("a thousand readings may be sent at once, and one more refuses all of them", async ({ gateway }) => {
  const readings = Array.from({ length: readingsMax + 1 }, (_, minutesAgo) => reading(minutesAgo));

  const refused = await gateway.send({ readings });
  expect(refused).toMatchObject({ status: 413, body: { code: "too_many_readings" } });
  expect(await gateway.countStored()).toEqual(nothing);

  const taken = await gateway.send({ readings: readings.slice(1) });
  expect(taken).toMatchObject({ status: 200, body: { accepted: 1_000 } });
});

const good = JSON.stringify(reading(1));
const oversized = `${good}${" ".repeat(bodyBytesMax)}`;

const refusals: [string, Body, Record<string, string>, string][] = [
  ["a body that is no JSON", `${good}}`, json, "400 malformed_json"],
  ["a NaN", good.replace(measured, "NaN"), json, "400 malformed_json"],
  ["an empty body", "", json, "400 malformed_json"],
  ["text that is not UTF-8", Buffer.from([0xff, ...Buffer.from(good)]), json, "400 malformed_body"],
  ["what says gzip and is not", good, gzip, "400 malformed_body"],
  ["half a gzip", gzipSync(good).subarray(0, -9), gzip, "400 malformed_body"],
  ["more than 1 MiB", oversized, json, "413 body_too_large"],
  ["more than 1 MiB without a length", new Blob([oversized]).stream(), json, "413 body_too_large"],
  ["a gzip of 64 MiB", gzipSync(Buffer.alloc(64 * bodyBytesMax, " ")), gzip, "413 body_too_large"],
  ["another media type", good, { "content-type": "text/plain" }, "415 unsupported_media_type"],
  ["a body without a media type", Buffer.from(good), {}, "415 unsupported_media_type"],
  ["another compression", good, { ...json, "content-encoding": "br" }, "415 unsupported_encoding"],
];

for (const [what, body, headers, refusal] of refusals) {
  test(`${what} is refused, and nothing is stored`, async ({ gateway }) => {
    const answer = await gateway.post(body, headers);

    expect(`${answer.status} ${String(answer.body["code"])}`).toBe(refusal);
    expect(await gateway.countStored()).toEqual(nothing);
  });
}

for (const [what, body, pointer, code] of [
  ["an empty list", "[]", "", "empty"],
  ["an object with an empty list", '{"readings":[]}', "", "empty"],
  ["a word", '"readings"', "", "invalid"],
  ["null", "null", "", "invalid"],
  ["readings that are no list", `{"readings":${good}}`, "/readings", "invalid"],
  ["an unknown field beside the list", `{"readings":[${good}],"a/b":1}`, "/a~1b", "unknown_field"],
] as const) {
  test(`${what} is refused with a pointer to the fault, and nothing is stored`, async ({ gateway }) => {
    const problem = { code: "invalid_request", errors: [{ pointer, code }] };
    expect(await gateway.post(body)).toMatchObject({ status: 400, body: problem });
    expect(await gateway.countStored()).toEqual(nothing);
  });
}

test("readings without a valid key are refused, and nothing is stored", async ({ api, gateway }) => {
  const revoked = `/v1/organizations/${gateway.id}/api-keys/${gateway.keyId}`;
  await api.ask("DELETE", revoked, { token: api.adminToken });

  for (const token of ["", `mo_${"a".repeat(43)}`, api.adminToken, gateway.key]) {
    expect(await gateway.post(good, json, token)).toMatchObject({
      status: 401,
      body: { code: "unauthorized" },
    });
  }
  expect(await gateway.countStored()).toEqual(nothing);
});

test("readings need a key with the scope ingest", async ({ api, gateway }) => {
  const reader = await api.join(["read"]);

  const answer = await gateway.post(good, json, reader.key);

  expect(answer).toMatchObject({ status: 403, body: { code: "insufficient_scope" } });
  expect(await gateway.countStored()).toEqual(nothing);
});

test("the log tells of every request and holds neither key nor measurement", async ({ api, gateway }) => {
  const bodies = [good, "{", "[]", `{"readings":[${good}]}`, good.replace(measured, "NaN")];
  for (const body of bodies) await gateway.post(body);
  await gateway.post(good, json, `${gateway.key}x`);

  const told = inspect([...gateway.events, ...api.events], {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
  });
  expect(gateway.events).toHaveLength(bodies.length + 1);
  expect(told).toContain(gateway.id);
  expect(told).not.toContain(gateway.key);
  expect(told).not.toContain(measured);
});
