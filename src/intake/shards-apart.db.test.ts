import { setImmediate } from "node:timers/promises";
import { expect } from "vitest";
import { openDatabase } from "../database/pool.ts";
import type { Shards } from "../database/shards.ts";
import { silentLog } from "../log.ts";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { countWaitingForLocks, holdOpen } from "../testing/postgres/locks.ts";
import { isOnNode } from "../testing/rows/commit-here.ts";
import { addScattered } from "../testing/rows/neighbours.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import type { Reading } from "../usage/reading.ts";
import { createGroupCommit } from "./group-commit.ts";
import { Overloaded } from "./overloaded.ts";

const connectionsMax = 4;
const accepted = { status: "accepted" };

function reading(second: number): Reading {
  const recordedAt = new Date(Date.UTC(2026, 10, 1) + second * 1_000).toISOString().replace("Z", "000Z");
  return { sensorId: "a", recordedAt, temperature: 4.5 };
}

const test = databaseTest
  .extend("organizations", ({ database: { pool } }) => addScattered(pool))
  .extend("pool", async ({ database }, { onCleanup }) => {
    const way = openDatabase(
      { connectionString: database.url, applicationName: "intake", connectionsMax },
      silentLog,
    );
    onCleanup(way.close);
    return way.pool;
  })
  .runIf(isOnNode);

function placed(organizations: readonly string[]): Shards {
  const places = new Map(
    organizations.map((id, n) => [id, { id: String(n), node: n < 2 ? "west" : "east" }]),
  );
  return { known: (id) => places.get(id), find: () => Promise.resolve(places), forget: () => undefined };
}

test("each node has a transaction of its own, and a request's readings are stored together or not at all", async ({
  database,
  organizations,
  pool,
}) => {
  await database.pool.query(`
    create function metering.refuse_twenty() returns trigger language plpgsql as
      $$ begin raise exception 'refused' using errcode = 'check_violation'; end $$
  `);
  await database.pool.query(`
    create trigger refuse_twenty before insert on metering.meter_outbox
      for each row when (new.quantity = 20) execute function metering.refuse_twenty()
  `);
  const store = createGroupCommit(pool, { shards: placed(organizations) });
  const [first = "", second = "", third = ""] = organizations;
  const many = Array.from({ length: 20 }, (_, n) => reading(1_000 + n));

  const answers = await Promise.allSettled([
    store(first, [reading(0)]),
    store(first, [reading(1)]),
    store(second, [reading(0), reading(0)]),
    store(third, many),
  ]);

  expect(answers).toMatchObject([
    { value: [accepted] },
    { value: [accepted] },
    { value: [accepted, { status: "duplicate" }] },
    { status: "rejected" },
  ]);
  const { rows } = await database.pool.query(`
    select organization_id as of, count(*)::int as readings, count(distinct entry_id)::int as entries
    from metering.readings group by 1 order by 1
  `);
  expect(rows).toEqual(
    [first, second].toSorted().map((of) => ({ of, readings: of === first ? 2 : 1, entries: 1 })),
  );
  expect(await findViolations(database.db)).toEqual([]);
});

test("small requests of a node that arrive while its transaction is under way share the next one, of all its shards", async ({
  database,
  organizations,
  pool,
}) => {
  const store = createGroupCommit(pool, { shards: placed(organizations) });
  const [first = "", second = ""] = organizations;
  await store(first, [reading(0)]);
  const release = await holdOpen(database.pool, "lock table metering.readings");
  const stored = [store(first, [reading(1)])];
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(1);

  // Each had a turn of the event loop of its own, in which a transaction could have begun.
  for (const [n, organization] of [first, second, first].entries()) {
    stored.push(store(organization, [reading(2 + n)]));
    for (let turn = 0; turn < 10; turn += 1) await setImmediate();
  }
  await release();
  await Promise.all(stored);

  const { rows } = await database.pool.query(`
    select sum(quantity)::int as readings, count(*)::int as entries,
      count(distinct occurred_at)::int as transactions
    from metering.meter_outbox
  `);
  expect(rows).toEqual([{ readings: 5, entries: 4, transactions: 3 }]);
});

test("a node that hangs holds up its own organizations only, large requests too", async ({
  database,
  organizations: [first = "", second = "", third = ""],
  pool,
}) => {
  let nowMs = 0;
  const bounds = { requestsMax: 40, readingsMax: 10_000, waitMsMax: 5_000 };
  const store = createGroupCommit(pool, {
    shards: placed([first, second, third]),
    bounds,
    now: () => nowMs,
  });
  const release = await holdOpen(
    database.pool,
    `insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
     select id, 'a', $2, 4.5, gen_random_uuid() from unnest($1::uuid[]) id`,
    [[first, second], reading(0).recordedAt],
  );
  const small = Array.from({ length: 16 }, (_, n) => store(n % 2 === 0 ? first : second, [reading(0)]));
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(1);
  // Two of them are more than one statement takes.
  const large = Array.from({ length: 600 }, (_, n) => reading(n));
  const hanging = [first, second, first, second].map((id) => store(id, large));
  const rest = Promise.allSettled([...hanging, ...small]);
  await expect.poll(() => countWaitingForLocks(database.pool)).toBe(connectionsMax / 2);

  // The node has half of the bounds: no more waits behind it than so much.
  await expect(store(second, [reading(1)])).rejects.toThrow(Overloaded);
  expect(await store(third, [reading(0)])).toEqual([accepted]);
  expect((await store(third, large)).slice(1)).toEqual(large.slice(1).map(() => accepted));

  nowMs = 5_001;
  await release();
  const answers = await rest;
  // The node's two connections had a large one, and all small ones together.
  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1 + small.length);
  expect(await store(second, [reading(5_000)])).toEqual([accepted]);
});
