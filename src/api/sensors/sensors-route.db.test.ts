import { expect } from "vitest";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";

test("a sensor is registered by its first PUT and changed by the next", async ({ api }) => {
  const { key: token } = await api.join();
  const first = await api.ask("PUT", "/v1/sensors/freezer-1", { token });
  expect(first).toMatchObject({
    status: 201,
    body: { id: "freezer-1", name: "", active: true, deactivated_at: null },
  });
  const second = await api.ask("PUT", "/v1/sensors/freezer-1", { token, json: { name: "Freezer" } });
  expect(second).toMatchObject({ status: 200, body: { ...first.body, name: "Freezer" } });
  expect((await api.ask("GET", "/v1/sensors/freezer-1", { token })).body).toEqual(second.body);
});

test("a deactivated sensor keeps the time of it until it is reactivated", async ({ api }) => {
  const { key: token } = await api.join();
  const put = async (json: object) => (await api.ask("PUT", "/v1/sensors/a", { token, json })).body;
  await put({ name: "A" });
  const off = await put({ active: false });
  expect(off).toMatchObject({ name: "A", active: false, deactivated_at: expect.any(String) as unknown });
  expect(await put({ active: false })).toEqual(off);
  expect(await put({ name: "B" })).toEqual({ ...off, name: "B" });
  expect(await put({ active: true })).toMatchObject({ name: "B", active: true, deactivated_at: null });
});

test("a sensor can be registered as inactive", async ({ api }) => {
  const { key: token } = await api.join();
  const answer = await api.ask("PUT", "/v1/sensors/a", { token, json: { active: false } });
  expect(answer).toMatchObject({ status: 201, body: { active: false } });
});

test("an empty name takes a sensor's name away, and no name leaves it", async ({ api }) => {
  const { key: token } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token, json: { name: "A" } });
  await api.ask("PUT", "/v1/sensors/b", { token, json: { name: "B" } });

  const sensors = [{ id: "a", name: "" }, { id: "b" }];
  const { body } = await api.ask("POST", "/v1/sensors", { token, json: { sensors } });

  const named = [
    { id: "a", name: "" },
    { id: "b", name: "B" },
  ];
  expect(body["data"]).toMatchObject(named);
  expect((await api.ask("GET", "/v1/sensors", { token })).body["data"]).toMatchObject(named);
});

test("registering many keeps the state of known ones and renames those that come with a name", async ({
  api,
}) => {
  const { key: token } = await api.join();
  await api.ask("PUT", "/v1/sensors/known", { token, json: { name: "old", active: false } });
  await api.ask("PUT", "/v1/sensors/named", { token, json: { name: "old" } });
  const sensors = [
    { id: "new", name: "fresh" },
    { id: "known" },
    { id: "named", name: "renamed" },
    { id: "__proto__" },
  ];
  const answer = await api.ask("POST", "/v1/sensors", { token, json: { sensors } });
  expect(answer).toMatchObject({ status: 200, body: { registered: 2 } });
  const { body } = await api.ask("GET", "/v1/sensors", { token });
  expect(body["data"]).toMatchObject([
    { id: "__proto__", name: "" },
    { id: "known", name: "old", active: false },
    { id: "named", name: "renamed", active: true },
    { id: "new", name: "fresh", active: true },
  ]);
  expect(answer.body["data"]).toEqual(body["data"]);
});

test("an id that comes twice in one request is refused, and nothing is registered", async ({
  api,
  database,
}) => {
  const { key: token } = await api.join();
  const sensors = [{ id: "a" }, { id: "b" }, { id: "a", name: "again" }];
  const answer = await api.ask("POST", "/v1/sensors", { token, json: { sensors } });
  expect(answer).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: "/sensors/2/id", code: "duplicate" }] },
  });
  expect(await database.db.selectFrom("sensors").select("id").execute()).toEqual([]);
});

test("1,000 sensors are registered at once, and 1,001 are too many", async ({ api }) => {
  const { key: token } = await api.join();
  const sensors = Array.from({ length: 1_001 }, (_, index) => ({ id: `s-${index}` }));
  const tooMany = await api.ask("POST", "/v1/sensors", { token, json: { sensors } });
  expect(tooMany).toMatchObject({ status: 413, body: { code: "too_many_items" } });
  // Not looked at one by one: a million faults would cost a second.
  const wrong = await api.ask("POST", "/v1/sensors", { token, json: { sensors: sensors.map(() => 1) } });
  expect(wrong).toMatchObject({
    status: 413,
    body: { errors: [{ pointer: "/sensors", code: "too_many_items" }] },
  });
  const json = { sensors: sensors.slice(1) };
  const answer = await api.ask("POST", "/v1/sensors", { token, json });
  expect(answer.body["registered"]).toBe(1_000);
  expect((await api.ask("POST", "/v1/sensors", { token, json })).body["registered"]).toBe(0);
});

test("many callers that register the same sensors at once all succeed, and each is new once", async ({
  api,
}) => {
  const { key: token } = await api.join();
  const ids = Array.from({ length: 50 }, (_, index) => `s-${index}`);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, turn) => {
      const order = turn % 2 === 0 ? ids : ids.toReversed();
      return api.ask("POST", "/v1/sensors", { token, json: { sensors: order.map((id) => ({ id })) } });
    }),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
  const registered = answers.reduce((sum, { body }) => sum + Number(body["registered"]), 0);
  expect(registered).toBe(50);
});

test("pages together list every sensor once, and a filter keeps the active or the others", async ({
  api,
}) => {
  const { key: token } = await api.join();
  for (const id of ["a", "b", "c"]) await api.ask("PUT", `/v1/sensors/${id}`, { token });
  await api.ask("PUT", "/v1/sensors/b", { token, json: { active: false } });
  const first = await api.ask("GET", "/v1/sensors?limit=2", { token });
  expect(first.body["data"]).toMatchObject([{ id: "a" }, { id: "b" }]);
  const rest = await api.ask("GET", `/v1/sensors?limit=2&cursor=${String(first.body["next_cursor"])}`, {
    token,
  });
  expect(rest.body).toMatchObject({ data: [{ id: "c" }], next_cursor: null });
  const active = await api.ask("GET", "/v1/sensors?active=true", { token });
  expect(active.body["data"]).toMatchObject([{ id: "a" }, { id: "c" }]);
  const inactive = await api.ask("GET", "/v1/sensors?active=false", { token });
  expect(inactive.body["data"]).toMatchObject([{ id: "b" }]);
});

test("an id that is no sensor id is refused", async ({ api }) => {
  const { key: token } = await api.join();
  for (const id of ["a%20b", "a%2Fb", "%00", "%F0%9F%98%80", "x".repeat(129)]) {
    const answer = await api.ask("PUT", `/v1/sensors/${id}`, { token });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: "sensor_id" }] } });
  }
});

test("an id of dots alone, to which no address would lead, is refused, and its readings are of no sensor", async ({
  api,
}) => {
  const { key: token } = await api.join();
  for (const id of [".", ".."]) {
    const { status, body } = await api.ask("POST", "/v1/sensors", { token, json: { sensors: [{ id }] } });
    expect({ status, errors: body["errors"] }).toMatchObject({
      status: 400,
      errors: [{ pointer: "/sensors/0/id" }],
    });
    const json = { sensor_id: id, recorded_at: new Date().toISOString(), temperature: 1 };
    const reading = await api.ask("POST", "/v1/readings", { token, json });
    expect(reading.body).toMatchObject({ results: [{ code: "unknown_sensor" }] });
  }
  const json = { sensors: ["...", ".a", "a.", "..a", "x".repeat(128)].map((id) => ({ id })) };
  expect((await api.ask("POST", "/v1/sensors", { token, json })).body).toMatchObject({ registered: 5 });
});
