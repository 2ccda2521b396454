import { sql } from "kysely";
import { expect } from "vitest";
import { addMonths } from "../database/months.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { addNeighbours } from "../testing/rows/neighbours.ts";
import { commitHere } from "../testing/rows/commit-here.ts";
import type { TestDatabase } from "../testing/postgres/test-database.ts";
import type { Reading } from "../usage/reading.ts";

const firstMinuteMs = Math.floor(Date.now() / 60_000) * 60_000 - 3_600_000;

/** A reading of sensor `a`, this many minutes after the first, unless told otherwise. */
function reading(minute: number, change: Partial<Reading> = {}): Reading {
  const recordedAt = new Date(firstMinuteMs + minute * 60_000).toISOString().replace("Z", "000Z");
  return { sensorId: "a", recordedAt, temperature: 20, ...change };
}

async function createStore({ db, pool }: TestDatabase) {
  const created = await db.insertInto("organizations").values({ name: "Acme" }).returning("id").execute();
  const organizationId = String(created[0]?.id);
  return {
    organizationId,
    register: async (id: string, change: { deactivated_at?: Date } = {}) => {
      await db
        .insertInto("sensors")
        .values({ organization_id: organizationId, id, ...change })
        .execute();
    },
    deactivate: async (id: string) => {
      await db.updateTable("sensors").set({ deactivated_at: new Date() }).where("id", "=", id).execute();
    },
    store: async (...readings: Reading[]) => {
      const [stored = []] = await commitHere(pool, [{ organizationId, readings }]);
      return stored;
    },
    storedTemperatures: async () => {
      const rows = await db.selectFrom("readings").select("temperature").orderBy("recorded_at").execute();
      return rows.map((row) => row.temperature);
    },
    entries: () => db.selectFrom("meter_outbox").selectAll().execute(),
  };
}

const accepted = { status: "accepted" };
const duplicate = { status: "duplicate" };
const rejected = (code: string) => ({
  status: "rejected",
  code,
  detail: expect.any(String) as unknown,
});

const test = databaseTest.extend("intake", async ({ database }) => {
  const intake = await createStore(database);
  await intake.register("a");
  await intake.register("b");
  return intake;
});

test("a sensor may have the id NULL, and a temperature any form of a number", async ({ database }) => {
  const { register, store, storedTemperatures } = await createStore(database);
  await register("NULL");
  const temperatures = [1e-7, 1e21, -273.15, -0, 0.1];
  const readings = temperatures.map((temperature, minute) =>
    reading(minute, { sensorId: "NULL", temperature }),
  );
  expect(await store(...readings)).toEqual(readings.map(() => accepted));
  expect(await storedTemperatures()).toEqual([1e-7, 1e21, -273.15, 0, 0.1]);
});

test("new readings are accepted, and one entry counts them", async ({ intake, database }) => {
  const answer = await intake.store(reading(0), reading(1), reading(1, { sensorId: "b" }));

  expect(answer).toEqual([accepted, accepted, accepted]);
  const entry = { organization_id: intake.organizationId, meter: "temperature_readings", quantity: "3" };
  expect(await intake.entries()).toEqual([expect.objectContaining({ ...entry, meter_event_id: null })]);
  expect(await findViolations(database.db)).toEqual([]);
});

test("an entry occurs at intake, in the moment that its id holds", async ({ intake, database }) => {
  await intake.store(reading(-60 * 24 * 30));

  const { rows } = await database.pool.query(`
    select occurred_at = metering.uuid_v7_time(id) as agrees, now() - occurred_at < interval '1 minute' as is_now
    from metering.meter_outbox
  `);
  expect(rows).toEqual([{ agrees: true, is_now: true }]);
});

test("entries stored together have ids of their own, of one moment", async ({ database: { db, pool } }) => {
  const neighbours = await addNeighbours(pool, 3);

  await commitHere(
    pool,
    neighbours.map((organizationId) => ({ organizationId, readings: [reading(0)] })),
  );

  const { rows } = await sql<{ id: string; is_agreed: boolean }>`
      select id, occurred_at = metering.uuid_v7_time(id) as is_agreed from metering.meter_outbox
    `.execute(db);
  expect(rows.map((row) => row.is_agreed)).toEqual([true, true, true]);
  expect(new Set(rows.map(({ id }) => id)).size).toBe(3);
  for (const { id } of rows) expect(id).toMatch(/^.{14}7.{4}[89ab]/);
});

test("a reading sent again is a duplicate and is not counted again", async ({ intake }) => {
  await intake.store(reading(0));

  expect(await intake.store(reading(0), reading(1))).toEqual([duplicate, accepted]);
  expect((await intake.entries()).map((entry) => entry.quantity)).toEqual(["1", "1"]);
});

test("a reading sent again with another temperature is a conflict, and the first value stays", async ({
  intake,
}) => {
  await intake.store(reading(0, { temperature: 20.5 }));

  const [answer] = await intake.store(reading(0, { temperature: 21 }));

  expect(answer).toEqual({
    ...rejected("conflict"),
    detail: expect.stringMatching(/^20\.5 °C/) as unknown,
  });
  expect(await intake.storedTemperatures()).toEqual([20.5]);
});

test("a call that stores nothing makes no entry", async ({ intake }) => {
  await intake.store(reading(0));
  await intake.store(reading(0), reading(0, { sensorId: "nobody's" }));
  await intake.store();

  expect(await intake.entries()).toHaveLength(1);
});

test("a sensor that is unknown or inactive does not hold up the others", async ({ intake }) => {
  await intake.register("off", { deactivated_at: new Date() });

  expect(
    await intake.store(reading(0, { sensorId: "x" }), reading(0, { sensorId: "off" }), reading(0)),
  ).toEqual([rejected("unknown_sensor"), rejected("sensor_inactive"), accepted]);
});

test("a reading of a month that was dropped is too old, and holds up no other", async ({
  intake,
  database: { db },
}) => {
  const month = addMonths(new Date(), -6);
  await sql`select metering.drop_partition('readings', ${month})`.execute(db);
  const old = reading(0, { recordedAt: month.toISOString().replace("Z", "000Z") });

  expect(await intake.store(old, reading(0), old)).toEqual([
    rejected("too_old"),
    accepted,
    rejected("too_old"),
  ]);
  expect((await intake.entries()).map((entry) => entry.quantity)).toEqual(["1"]);
  expect(await findViolations(db)).toEqual([]);
});

test("a reading that was stored before its sensor was deactivated is still a duplicate", async ({
  intake,
}) => {
  await intake.store(reading(0));
  await intake.deactivate("a");

  expect(await intake.store(reading(0), reading(0, { temperature: 1 }), reading(1))).toEqual([
    duplicate,
    rejected("conflict"),
    rejected("sensor_inactive"),
  ]);
});

test("another organization's sensor of the same id is unknown here", async ({ intake, database }) => {
  const other = await createStore(database);

  expect(await other.store(reading(0))).toEqual([rejected("unknown_sensor")]);
  expect(await intake.storedTemperatures()).toEqual([]);
});

test("two organizations' readings of the same sensor id and moment are two readings", async ({
  intake,
  database,
}) => {
  const other = await createStore(database);
  await other.register("a");

  expect(await intake.store(reading(0, { temperature: 1 }))).toEqual([accepted]);
  expect(await other.store(reading(0, { temperature: 2 }))).toEqual([accepted]);
});

test("the same reading twice in one call is judged as in two calls", async ({ intake }) => {
  const answer = await intake.store(reading(0), reading(0), reading(0, { temperature: 1 }), reading(0));

  expect(answer).toEqual([accepted, duplicate, rejected("conflict"), duplicate]);
  expect((await intake.entries()).map((entry) => entry.quantity)).toEqual(["1"]);
});

test("the same reading twice in one call is compared with what was stored before", async ({ intake }) => {
  await intake.store(reading(0, { temperature: 1 }));

  expect(await intake.store(reading(0), reading(0, { temperature: 1 }), reading(0))).toEqual([
    rejected("conflict"),
    duplicate,
    rejected("conflict"),
  ]);
});

test("moments a microsecond apart are two readings", async ({ intake }) => {
  const moments = ["000000", "000001", "000002"].map((digits) => `2026-11-01T10:00:00.${digits}Z`);

  expect(await intake.store(...moments.map((recordedAt) => reading(0, { recordedAt })))).toEqual(
    moments.map(() => accepted),
  );
  expect(await intake.store(...moments.map((recordedAt) => reading(0, { recordedAt })))).toEqual(
    moments.map(() => duplicate),
  );
});

test("every temperature is found again to the last bit", async ({ intake }) => {
  const temperatures = [0.1 + 0.2, -273.15, 5e-324, 1.7976931348623157e308, -0];
  const readings = temperatures.map((temperature, minute) => reading(minute, { temperature }));
  await intake.store(...readings);

  expect(await intake.store(...readings)).toEqual(temperatures.map(() => duplicate));
});

/** A trigger that makes an insert fail `at once`, or only when the transaction commits. */
const refusals = [
  { table: "meter_outbox", when: "at once", trigger: "create trigger refused before insert" },
  {
    table: "meter_outbox",
    when: "at the commit",
    trigger: "create constraint trigger refused after insert",
    deferral: "deferrable initially deferred",
  },
  {
    table: "readings",
    when: "at once",
    trigger: "create trigger refused before insert",
    row: "when (new.sensor_id = 'b')",
  },
];

for (const { table, when, trigger, deferral = "", row = "" } of refusals) {
  test(`neither a reading nor an entry is left when ${table} refuses ${when}`, async ({
    intake,
    database,
  }) => {
    await database.pool.query(
      "create function metering.refuse() returns trigger language plpgsql as $$ begin raise 'refused'; end $$",
    );
    await database.pool.query(
      `${trigger} on metering.${table} ${deferral} for each row ${row} execute function metering.refuse()`,
    );

    await expect(intake.store(reading(0), reading(0, { sensorId: "b" }))).rejects.toThrow("refused");

    expect({ readings: await intake.storedTemperatures(), entries: await intake.entries() }).toEqual({
      readings: [],
      entries: [],
    });
  });
}
