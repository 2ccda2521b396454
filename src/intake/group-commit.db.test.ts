import pg from "pg";
import { expect } from "vitest";
import { apiProblemOf } from "../api/failure.ts";
import { openDatabase } from "../database/pool.ts";
import { problemOf } from "../http/failure.ts";
import { silentLog } from "../log.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { runOnNodes } from "../testing/postgres/on-nodes.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { addNeighbours } from "../testing/rows/neighbours.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { countWaitingForLocks, endWaitingForLocks, holdOpen } from "../testing/postgres/locks.ts";
import type { TestDatabase } from "../testing/postgres/test-database.ts";
import type { Reading } from "../usage/reading.ts";
import type { StoreReadings } from "./commit-batches.ts";
import * as intake from "./group-commit.ts";
import { OutcomeUnknown } from "./outcome-unknown.ts";
import { Overloaded } from "./overloaded.ts";

const organizationsCount = 3;
const firstMs = Date.UTC(2026, 10, 1);

function reading(second: number, change: Partial<Reading> = {}): Reading {
  const recordedAt = new Date(firstMs + second * 1_000).toISOString().replace("Z", "000Z");
  return { sensorId: "a", recordedAt, temperature: 4.5, ...change };
}

/** Organizations of one shard, with a sensor `a` and, in one of them, the sensor `poison`, whose readings Postgres refuses. */
const test = databaseTest
  .extend("organizations", async ({ database: { pool } }) => {
    const ids = await addNeighbours(pool, organizationsCount);
    await pool.query("insert into metering.sensors (organization_id, id) values ($1, 'poison')", [ids[1]]);
    await pool.query(`
      create function metering.refuse_poison() returns trigger language plpgsql as
        $$ begin raise exception 'poison' using errcode = 'check_violation'; end $$
    `);
    await pool.query(`
      create trigger poison before insert on metering.readings
        for each row when (new.sensor_id = 'poison') execute function metering.refuse_poison()
    `);
    return ids;
  })
  .extend("way", async ({ database }, { onCleanup }) => {
    const way = openDatabase(
      { connectionString: database.url, applicationName: "intake", connectionsMax: 4 },
      silentLog,
    );
    onCleanup(way.close);
    return way.pool;
  });

/** Requests of one reading each, of all organizations in turn, sent in the same moment. */
function storeMany(store: StoreReadings, organizations: readonly string[], seconds: number[]) {
  return Promise.allSettled(
    seconds.map((second) => store(organizations[second % organizations.length] ?? "", [reading(second)])),
  );
}

/** Its own failures are those that a caller of the API is told about. */
function createGroupCommit(...args: Parameters<typeof intake.createGroupCommit>): StoreReadings {
  const store = intake.createGroupCommit(...args);
  return (organizationId, readings) =>
    store(organizationId, readings).catch((error: unknown) => {
      throw error instanceof Overloaded || error instanceof OutcomeUnknown ? apiProblemOf(error) : error;
    });
}

const isOtherwise = localOnly(
  "a shard of a cluster has one transaction of small requests at a time, and a node half of the bounds: shards-apart.db.test.ts",
);
const unbounded = { requestsMax: Infinity, readingsMax: Infinity, waitMsMax: Infinity };
const overloaded = { status: "rejected", reason: { fields: { status: 503, code: "overloaded" } } };
const stored = { status: "fulfilled", value: [{ status: "accepted" }] };
const count = (n: number) => Array.from({ length: n }, (_, second) => second);

test("requests of one moment share a statement across organizations, and each gets its own answer", async ({
  database,
  organizations,
  way,
}) => {
  const answers = await storeMany(createGroupCommit(way), organizations, count(30));

  expect(answers).toEqual(count(30).map(() => stored));
  expect(await countStored(database)).toEqual({ readings: 30, transactions: 1, entries: organizationsCount });
  expect(await findViolations(database.db)).toEqual([]);
});

test.for(["disk_full", "out_of_memory", "insufficient_resources", "io_error"])(
  "a shared statement that fails for %s, the server's own state, is not sent again one by one",
  async (state, { database: { pool }, organizations, way }) => {
    // A sequence keeps the numbers that a failed statement took.
    await runOnNodes(pool, "create sequence metering.statements");
    await pool.query(`
      create function metering.refuse() returns trigger language plpgsql as
        $$ begin perform nextval('metering.statements'); raise exception 'refused' using errcode = '${state}'; end $$
    `);
    await pool.query(`
      create trigger refuse before insert on metering.meter_outbox for each statement execute function metering.refuse()
    `);

    const answers = await storeMany(createGroupCommit(way), organizations, count(20));

    const statements = await runOnNodes(
      pool,
      "select coalesce(pg_sequence_last_value('metering.statements'), 0)",
    );
    expect(statements.filter((taken) => taken !== "0")).toEqual(["1"]);
    expect(answers.map((answer) => answer.status === "rejected" && problemOf(answer.reason).fields)).toEqual(
      count(20).map(() => expect.objectContaining({ status: 503, code: "database_unavailable" })),
    );
  },
);

test.skipIf(isOtherwise)(
  "requests that arrive while statements are under way share the next",
  async ({ database, organizations, way }) => {
    const store = createGroupCommit(way, { now: () => 0 });
    const release = await holdReadings(database);
    const early: Promise<unknown>[] = [];
    for (const second of [0, 1]) {
      early.push(storeMany(store, organizations, [second]));
      await expect.poll(() => countWaitingForLocks(database.pool)).toBe(second + 1);
    }
    const late = storeMany(store, organizations, count(40).slice(2));
    await release();

    expect(await late).toEqual(
      count(40)
        .slice(2)
        .map(() => stored),
    );
    await Promise.all(early);
    expect(await countStored(database)).toMatchObject({ readings: 40, transactions: 3 });
  },
);

test("the same reading in two requests is accepted once, and compared for the other", async ({
  database,
  organizations: [acme = "", other = ""],
  way,
}) => {
  const store = createGroupCommit(way);
  const answers = await Promise.all([
    store(acme, [reading(0), reading(1)]),
    store(acme, [reading(1), reading(0, { temperature: 5 })]),
    store(other, [reading(0, { temperature: 5 }), reading(2, { sensorId: "nobody's" })]),
  ]);

  expect(answers).toMatchObject([
    [{ status: "accepted" }, { status: "accepted" }],
    [{ status: "duplicate" }, { status: "rejected", code: "conflict" }],
    [{ status: "accepted" }, { status: "rejected", code: "unknown_sensor" }],
  ]);
  expect(await countStored(database)).toEqual({ readings: 3, transactions: 1, entries: 2 });
  expect(await findViolations(database.db)).toEqual([]);
});

test("a request that Postgres refuses fails alone", async ({ database, organizations, way }) => {
  const store = createGroupCommit(way);
  const [acme = "", poisoned = ""] = organizations;
  const [before, poison, after] = await Promise.allSettled([
    store(acme, [reading(0), reading(1)]),
    store(poisoned, [reading(0), reading(1, { sensorId: "poison" })]),
    store(poisoned, [reading(0, { temperature: 7 })]),
  ]);

  expect(before).toEqual({ status: "fulfilled", value: [{ status: "accepted" }, { status: "accepted" }] });
  expect(poison).toMatchObject({ status: "rejected", reason: expect.any(pg.DatabaseError) as unknown });
  // No reading of the refused request is stored, not even the good one.
  expect(after).toEqual(stored);
  expect(await countStored(database)).toMatchObject({ readings: 3 });
  expect(await findViolations(database.db)).toEqual([]);
});

test("a large request does not wait for the small ones", async ({
  database,
  organizations: [acme = ""],
  way,
}) => {
  const store = createGroupCommit(way);
  const release = await holdSensor(database, acme);
  const small = count(3).map((second) => store(acme, [reading(second)]));
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(1);

  const large = count(250).map((n) => reading(1_000 + n, { sensorId: "b" }));
  const answer = await store(acme, large);
  expect(new Set(answer.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  await release();
  expect((await Promise.all(small)).flat()).toEqual(count(3).map(() => ({ status: "accepted" })));
});

test.skipIf(isOtherwise)(
  "large requests of one moment share statements, up to a thousand readings in each",
  async ({ database, organizations: [acme = "", other = ""], way }) => {
    const store = createGroupCommit(way);
    const answers = await Promise.all(
      count(10).map((n) =>
        store(
          n % 2 === 0 ? acme : other,
          count(250).map((second) => reading(n * 250 + second)),
        ),
      ),
    );
    expect(new Set(answers.flat().map(({ status }) => status))).toEqual(new Set(["accepted"]));
    expect(await countStored(database)).toEqual({ readings: 2_500, transactions: 3, entries: 6 });
    expect(await findViolations(database.db)).toEqual([]);
  },
);

test.skipIf(isOtherwise)(
  "what comes on top of the bounds is refused by name, stored in no part, and welcome later",
  async ({ database, organizations, way }) => {
    const store = createGroupCommit(way, { bounds: { ...unbounded, requestsMax: 5, readingsMax: 8 } });
    const [acme = ""] = organizations;
    const release = await holdReadings(database);
    const first = storeMany(store, organizations, count(4));
    const tooManyReadings = store(
      acme,
      count(5).map((n) => reading(100 + n)),
    );
    await expect(tooManyReadings).rejects.toMatchObject({
      fields: { status: 503, code: "overloaded", headers: { "retry-after": "1" } },
    });
    const fifth = store(acme, [reading(50)]);
    await expect(store(acme, [reading(51)])).rejects.toMatchObject({ fields: { code: "overloaded" } });
    await release();

    expect(await first).toEqual(count(4).map(() => stored));
    expect(await fifth).toEqual([{ status: "accepted" }]);
    expect(await store(acme, [reading(51)])).toEqual([{ status: "accepted" }]);
    expect(await countStored(database)).toMatchObject({ readings: 6 });
  },
);

test.skipIf(isOtherwise).for([
  ["requests", { ...unbounded, requestsMax: 4 }, 1],
  ["readings", { ...unbounded, readingsMax: 8 }, 2],
] as const)(
  "an organization that has half of the bounds in %s keeps no other out",
  async ([, bounds, readingsEach], { database, organizations, way }) => {
    const store = createGroupCommit(way, { bounds });
    const [greedy = "", other = ""] = organizations;
    const some = (from: number) => count(readingsEach).map((n) => reading(from + n));
    const release = await holdReadings(database);
    const first = [0, 10].map((from) => store(greedy, some(from)));

    await expect(store(greedy, some(20))).rejects.toMatchObject({ fields: { code: "overloaded" } });
    const others = store(other, some(0));
    await release();

    const accepted = some(0).map(() => ({ status: "accepted" }));
    expect(await Promise.all([...first, others])).toEqual([accepted, accepted, accepted]);
    expect(await store(greedy, some(20))).toEqual(accepted);
  },
);

test.skipIf(isOtherwise)(
  "whoever waited too long behind statements that hang is refused when they end, and stored in no part",
  async ({ database, organizations, way }) => {
    let nowMs = 0;
    const store = createGroupCommit(way, { bounds: { ...unbounded, waitMsMax: 5_000 }, now: () => nowMs });
    const release = await holdReadings(database);
    const hanging: Promise<unknown>[] = [];
    for (const second of [0, 1]) {
      hanging.push(storeMany(store, organizations, [second]));
      await expect.poll(() => countWaitingForLocks(database.pool)).toBe(second + 1);
    }
    const late = storeMany(store, organizations, [2, 3]);
    nowMs = 1;
    const inTime = storeMany(store, organizations, [4, 5]);
    nowMs = 5_001;
    await release();

    expect(await late).toMatchObject([overloaded, overloaded]);
    expect(await inTime).toEqual([stored, stored]);
    await Promise.all(hanging);
    expect(await countStored(database)).toMatchObject({ readings: 4 });
  },
);

test("the requests of a statement that hung and was refused in the end are not sent again one by one", async ({
  database,
  organizations: [acme = "", poisoned = ""],
  way,
}) => {
  let nowMs = 0;
  const store = createGroupCommit(way, { bounds: { ...unbounded, waitMsMax: 5_000 }, now: () => nowMs });
  const release = await holdReadings(database);
  const answers = Promise.allSettled([
    store(poisoned, [reading(0, { sensorId: "poison" })]),
    ...count(3).map((second) => store(acme, [reading(second)])),
  ]);
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(1);
  nowMs = 5_001;
  await release();

  expect(await answers).toMatchObject([overloaded, overloaded, overloaded, overloaded]);
  expect(await countStored(database)).toMatchObject({ readings: 0 });
});

test("when the connection breaks, the outcome is unknown for all who shared it, and one time each when sent again", async ({
  database,
  organizations,
  way,
}) => {
  const store = createGroupCommit(way);
  const release = await holdReadings(database);
  const answers = storeMany(store, organizations, count(12));
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(1);
  expect(await endWaitingForLocks(database.pool)).toBe(1);

  const unknown = { status: "rejected", reason: { fields: { status: 503, code: "outcome_unknown" } } };
  expect(await answers).toMatchObject(count(12).map(() => unknown));
  await release();
  expect(await storeMany(store, organizations, count(12))).toEqual(count(12).map(() => stored));
  expect(await countStored(database)).toMatchObject({ readings: 12 });
  expect(await findViolations(database.db)).toEqual([]);
});

test("when no connection can be had, all who wait are told at once", async ({ organizations }) => {
  const connectionString = "postgres://127.0.0.1:1/metering";
  const nowhere = openDatabase({ connectionString, applicationName: "intake", connectionsMax: 1 }, silentLog);
  const store = createGroupCommit(nowhere.pool);
  const answers = await storeMany(store, organizations, count(3_000));
  await nowhere.close();

  const codes = answers.map((answer) => answer.status === "rejected" && problemOf(answer.reason).fields.code);
  expect(new Set(codes)).toEqual(new Set(["database_unavailable"]));
});

async function countStored({ pool }: TestDatabase) {
  const { rows } = await pool.query<{ transaction: string }>(
    "select xmin::text as transaction from metering.readings",
  );
  const entries = await pool.query<{ count: number }>("select count(*)::int from metering.meter_outbox");
  return {
    readings: rows.length,
    transactions: new Set(rows.map(({ transaction }) => transaction)).size,
    entries: entries.rows[0]?.count,
  };
}

/** Lets every insert of readings wait until the returned function is called. */
const holdReadings = ({ pool }: TestDatabase) => holdOpen(pool, "lock table metering.readings in share mode");

/** Lets inserts of the first reading of sensor `a` wait until the returned function is called. */
const holdSensor = ({ pool }: TestDatabase, organizationId: string) =>
  holdOpen(
    pool,
    `insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
     values ($1, 'a', $2, 4.5, gen_random_uuid())`,
    [organizationId, reading(0).recordedAt],
  );
