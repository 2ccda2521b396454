import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { encodeCursor } from "../../http/cursor.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { roadTest } from "../../testing/fixtures/road-fixture.ts";

const hourAgo = Date.now() - 3_600_000;
const minute = (n: number) => new Date(hourAgo + n * 60_000).toISOString();

/** Vitest's `test` with an organization that has the sensors a and b, and a customer. */
const test = roadTest.extend("acme", async ({ api, boss, database: { db } }) => {
  const { id, key: token } = await api.join();
  await api.ask("POST", "/v1/sensors", { token, json: { sensors: [{ id: "a" }, { id: "b" }] } });
  await linkCustomer(db, id, { customer: "cus_1" });
  return {
    post: (json: unknown) => api.ask("POST", "/v1/readings", { token, json }),
    seal: () => sealDueEntries({ db, boss }, { meters: ["temperature_readings"] }),
    list: async (query = "") => (await api.ask("GET", `/v1/readings${query}`, { token })).body["data"],
  };
});

const readingOf = (sensor_id: string, n: number) => ({ sensor_id, recorded_at: minute(n), temperature: n });

const lastEvent = (db: Db) =>
  db.selectFrom("meter_events").select("id").orderBy("id", "desc").executeTakeFirstOrThrow();

/** Puts the last event in doubt, which is then said not to be delivered; the id of what replaces it. */
async function replaceLast(db: Db): Promise<string> {
  const { id } = await lastEvent(db);
  await db.updateTable("meter_events").set({ state: "in_doubt" }).where("id", "=", id).execute();
  await sql`select metering.resolve_in_doubt(${id}, 'not_delivered', 'lost')`.execute(db);
  return (await lastEvent(db)).id;
}

test("readings are listed by sensor and time, with the meter event that bills each", async ({
  acme,
  database: { db },
}) => {
  // One request, so that no hour ends between them.
  await acme.post([readingOf("b", 1), readingOf("a", 2)]);
  await acme.seal();
  await acme.post(readingOf("a", 1));

  const listed = await acme.list();

  const { rows } = await sql<{ id: string }>`select id from metering.meter_events`.execute(db);
  const [{ id: meterEventId } = { id: "none" }] = rows;
  expect(listed).toMatchObject([
    { sensor_id: "a", temperature: 1, meter_event_id: null },
    { sensor_id: "a", temperature: 2, meter_event_id: meterEventId },
    { sensor_id: "b", temperature: 1, meter_event_id: meterEventId },
  ]);
});

test("readings of an event that was replaced after a doubt lead to the last one that replaced it", async ({
  acme,
  database: { db },
}) => {
  await acme.post([readingOf("a", 1), readingOf("a", 2)]);
  await acme.seal();
  await replaceLast(db);
  const last = await replaceLast(db);
  await acme.post(readingOf("b", 3));
  await acme.seal();

  const listed = await acme.list();

  const { id: other } = await lastEvent(db);
  expect(listed).toMatchObject([
    { sensor_id: "a", temperature: 1, meter_event_id: last },
    { sensor_id: "a", temperature: 2, meter_event_id: last },
    { sensor_id: "b", temperature: 3, meter_event_id: other },
  ]);
  expect(last).not.toBe(other);
});

test("pages leave nothing out and repeat nothing", async ({ api }) => {
  const { key } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: key });
  const readings = Array.from({ length: 7 }, (_, n) => ({
    sensor_id: "a",
    recorded_at: minute(n),
    temperature: n,
  }));
  await api.ask("POST", "/v1/readings", { token: key, json: readings });

  const seen: unknown[] = [];
  let cursor: string | null = null;
  do {
    const query = cursor === null ? "" : `&cursor=${cursor}`;
    const { body } = await api.ask("GET", `/v1/readings?limit=3${query}`, { token: key });
    seen.push(...(body["data"] as { temperature: number }[]).map(({ temperature }) => temperature));
    cursor = body["next_cursor"] as string | null;
  } while (cursor !== null);

  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("a span is half-open, and a sensor can be asked for alone", async ({ acme }) => {
  const readings = ["a", "b"].flatMap((sensor_id) =>
    [1, 2, 3].map((n) => ({ sensor_id, recorded_at: hoursAgo(2, n).toISOString(), temperature: n })),
  );
  await acme.post(readings);

  const span = `from=${hoursAgo(2, 1).toISOString()}&to=${hoursAgo(2, 3).toISOString()}`;

  expect(await acme.list(`?sensor_id=b&${span}`)).toMatchObject([
    { sensor_id: "b", temperature: 1 },
    { sensor_id: "b", temperature: 2 },
  ]);
});

test("a time is read as a reading's is: with any offset, and cut to the microsecond", async ({ api }) => {
  const { key: token } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token });
  const second = minute(0).slice(0, 19);
  const reading = { sensor_id: "a", recorded_at: `${second}.0000009Z`, temperature: 1 };
  await api.ask("POST", "/v1/readings", { token, json: reading });
  const inOffset = new Date(hourAgo + 16 * 3_600_000).toISOString().slice(0, 19);
  const found = async (query: Record<string, string>) => {
    const path = `/v1/readings?${new URLSearchParams(query).toString()}`;
    const { status, body } = await api.ask("GET", path, { token });
    return { status, readings: (body["data"] as unknown[] | undefined)?.length };
  };

  for (const time of [reading.recorded_at, `${inOffset}+16:00`, `${second}.${"0".repeat(130)}Z`]) {
    expect(await found({ from: time }), time).toEqual({ status: 200, readings: 1 });
    expect(await found({ to: time }), time).toEqual({ status: 200, readings: 0 });
    expect(await found({ cursor: encodeCursor(["A", time]) }), time).toEqual({ status: 200, readings: 1 });
    expect(await found({ cursor: encodeCursor(["a", time]) }), time).toEqual({ status: 200, readings: 0 });
  }
  expect(await found({ cursor: encodeCursor(["a", "0000-01-01T00:00:00Z"]) })).toMatchObject({ status: 400 });
});

test("nobody sees another organization's readings", async ({ api }) => {
  const { key } = await api.join();
  const other = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: key });
  const reading = { sensor_id: "a", recorded_at: minute(0), temperature: 1 };
  await api.ask("POST", "/v1/readings", { token: key, json: reading });

  const { body } = await api.ask("GET", "/v1/readings", { token: other.key });

  expect(body["data"]).toEqual([]);
});
