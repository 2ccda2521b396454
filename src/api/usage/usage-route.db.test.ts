import { sql } from "kysely";
import { expect } from "vitest";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { createBoss } from "../../queue/boss.ts";
import { silentLog } from "../../log.ts";

const hour = (time: string) => new Date(`2026-11-20T${time}Z`);
const path = (query: string) => `/v1/usage?meter=temperature_readings&${query}`;

test("usage is summed by hour, with empty hours", async ({ api, database }) => {
  const { id, key } = await api.join();
  await appendEntries(database.db, id, [
    { at: hour("10:00:00"), quantity: 3 },
    { at: hour("10:59:59.999"), quantity: 4 },
    { at: hour("12:00:00"), quantity: 5 },
  ]);

  const { status, body } = await api.ask("GET", path("from=2026-11-20T10:00:00Z&to=2026-11-20T13:00:00Z"), {
    token: key,
  });

  expect(status).toBe(200);
  expect(body["data"]).toMatchObject([
    { start: "2026-11-20T10:00:00.000Z", end: "2026-11-20T11:00:00.000Z", quantity: 7, pending: 7 },
    { start: "2026-11-20T11:00:00.000Z", end: "2026-11-20T12:00:00.000Z", quantity: 0, pending: 0 },
    { start: "2026-11-20T12:00:00.000Z", end: "2026-11-20T13:00:00.000Z", quantity: 5, pending: 5 },
  ]);
});

test("the day on which clocks go back has 25 hours", async ({ api, database }) => {
  const { id, key } = await api.join();
  const at = new Date("2026-10-25T22:30:00Z");
  await appendEntries(database.db, id, [{ at, quantity: 2 }]);

  const query = "from=2026-10-24T22:00:00Z&to=2026-10-26T23:00:00Z&granularity=day&time_zone=Europe/Berlin";
  const { body } = await api.ask("GET", path(query), { token: key });

  expect(body["data"]).toMatchObject([
    { start: "2026-10-24T22:00:00.000Z", end: "2026-10-25T23:00:00.000Z", quantity: 2 },
    { start: "2026-10-25T23:00:00.000Z", end: "2026-10-26T23:00:00.000Z", quantity: 0 },
  ]);
});

test("a span that begins inside a month is cut to what was asked for", async ({ api, database }) => {
  const { id, key } = await api.join();
  await appendEntries(database.db, id, [
    { at: new Date("2026-10-10T00:00:00Z"), quantity: 1 },
    { at: new Date("2026-10-20T00:00:00Z"), quantity: 10 },
  ]);

  const query = "from=2026-10-15T00:00:00Z&to=2026-11-01T00:00:00Z&granularity=month";
  const { body } = await api.ask("GET", path(query), { token: key });

  expect(body["data"]).toMatchObject([
    { start: "2026-10-15T00:00:00.000Z", end: "2026-11-01T00:00:00.000Z", quantity: 10 },
  ]);
});

test("two days and two months have each their own usage, as JSON and as CSV", async ({ api, database }) => {
  const { id, key: token } = await api.join();
  await appendEntries(database.db, id, [
    { at: new Date("2026-10-10T10:00:00Z"), quantity: 1 },
    { at: hour("10:00:00"), quantity: 2 },
    { at: hour("23:30:00"), quantity: 4 },
    { at: new Date("2026-11-21T12:00:00Z"), quantity: 8 },
  ]);
  for (const [query, first, second] of [
    ["from=2026-11-20T00:00:00Z&to=2026-11-22T00:00:00Z&granularity=day", 6, 8],
    ["from=2026-10-01T00:00:00Z&to=2026-12-01T00:00:00Z&granularity=month", 1, 14],
    // The days meet at midnight, half an hour from each end.
    ["from=2026-11-20T23:30:00Z&to=2026-11-21T00:30:00Z&granularity=day", 4, 0],
  ] as const) {
    const { body } = await api.ask("GET", path(query), { token });
    expect(body["data"], query).toMatchObject([{ quantity: first }, { quantity: second }]);

    const csv = await api.askText("GET", path(query), { token, headers: { accept: "text/csv" } });
    const rows = csv.text.trim().split("\r\n").slice(1);
    expect(rows.map((row) => Number(row.split(",")[2]))).toEqual([first, second]);
  }
});

test("usage is split by where it is, and complete through the oldest that has not arrived", async ({
  api,
  database,
}) => {
  const { db, url } = database;
  const { id, key } = await api.join();
  await linkCustomer(db, id, { customer: "cus_1" });
  await appendEntries(db, id, [
    { at: hour("10:10:00"), quantity: 1 },
    { at: hour("11:10:00"), quantity: 2 },
    { at: hour("12:10:00"), quantity: 4 },
    { at: hour("13:10:00"), quantity: 8 },
  ]);
  const boss = createBoss({ databaseUrl: url, role: "api", connectionsMax: 1 }, silentLog);
  await boss.start();
  await sealDueEntries({ db, boss }, { meters: ["temperature_readings"] });
  await boss.stop({ graceful: false });
  await sql`
    update metering.meter_events
    set
      state = case hour when ${hour("10:00:00")} then 'delivered' when ${hour("11:00:00")} then 'rejected' else 'in_doubt' end
    where hour < ${hour("13:00:00")}
  `.execute(db);
  await appendEntries(db, id, [{ at: hour("13:20:00"), quantity: 16 }]);

  const query = "from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z&granularity=day";
  const { body } = await api.ask("GET", path(query), { token: key });

  expect(body).toMatchObject({
    data: [{ quantity: 31, delivered: 1, rejected: 2, in_doubt: 4, pending: 24 }],
    complete_through: "2026-11-20T12:00:00.000Z",
  });
});

test("a gauge shows the latest value of each bucket", async ({ api, database }) => {
  const { id, key } = await api.join();
  await appendEntries(database.db, id, [
    { at: hour("10:00:01"), quantity: 7, meter: "active_sensors" },
    { at: hour("11:00:01"), quantity: 5, meter: "active_sensors" },
  ]);

  const query = "from=2026-11-20T10:00:00Z&to=2026-11-20T12:00:00Z";
  const hours = await api.ask("GET", `/v1/usage?meter=active_sensors&${query}`, { token: key });
  const day = await api.ask("GET", `/v1/usage?meter=active_sensors&${query}&granularity=day`, { token: key });

  expect(hours.body["data"]).toMatchObject([{ quantity: 7 }, { quantity: 5 }]);
  expect(day.body["data"]).toMatchObject([{ quantity: 5 }]);
});

test("nobody sees another organization's usage", async ({ api, database }) => {
  const { id } = await api.join();
  const other = await api.join();
  await appendEntries(database.db, id, [{ at: hour("10:00:00"), quantity: 3 }]);

  const query = "from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z";
  const { body } = await api.ask("GET", path(query), { token: other.key });

  expect(body["data"]).toMatchObject([{ quantity: 0 }]);
});

test("usage comes as CSV when that is asked for", async ({ api, database }) => {
  const { id, key } = await api.join();
  await appendEntries(database.db, id, [{ at: hour("10:00:00"), quantity: 3 }]);

  const answer = await api.askText("GET", path("from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z"), {
    token: key,
    headers: { accept: "text/csv" },
  });

  expect(answer.headers.get("content-type")).toBe("text/csv; charset=utf-8");
  expect(answer.text).toBe(
    "start,end,quantity,delivered,pending,in_doubt,rejected\r\n" +
      "2026-11-20T10:00:00.000Z,2026-11-20T11:00:00.000Z,3,0,3,0,0\r\n",
  );
});

test.for([
  ["from=2026-11-20T10:00:00Z", "to"],
  ["from=2026-11-20T10:00:00Z&to=2026-11-20T10:00:00Z", "to"],
  ["from=2020-11-20T10:00:00Z&to=2026-11-20T10:00:00Z", "from"],
  ["from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z&granularity=week", "granularity"],
  ["from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z&time_zone=Mars/Olympus", "time_zone"],
  // Postgres counts an offset's sign the other way round than ISO 8601 does.
  ["from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z&time_zone=%2B05:30", "time_zone"],
  // Node knows it, and Postgres does not.
  ["from=2026-11-20T10:00:00Z&to=2026-11-20T11:00:00Z&time_zone=US/Pacific-New", "time_zone"],
])("the query %s is refused at %s", async ([query = "", pointer], { api }) => {
  const { key } = await api.join();

  const { status, body } = await api.ask("GET", path(query), { token: key });

  expect(status).toBe(400);
  expect(body["errors"]).toMatchObject([{ pointer }]);
});
