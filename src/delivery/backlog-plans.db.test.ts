import { Kysely, PostgresDialect, sql } from "kysely";
import pg from "pg";
import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { newConnectionsByIndex } from "../database/new-connection.ts";
import type { DB } from "../database/schema.ts";
import { silentLog } from "../log.ts";
import { type Reminder, remindToDeliver } from "../queue/deliver-job.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { deliver } from "./deliver.ts";
import { settleAttempts } from "./settle.ts";
import { takeJobs } from "./take-jobs.ts";

const meter = "temperature_readings";
const customers = 300;
const eventsOfEach = 10;
const batch = 100;
const turns = 3;
/** What a statement may read for each event that it is about: a few indexes, and customers that are not free. */
const rowsPerEventMax = 5;

// As after an outage: everything waits, and no table has been analyzed.
roadTest
  .skipIf(localOnly("EXPLAIN of a statement that a cluster sends to its nodes does not tell their plans"))
  .for([
    { how: "told in each transaction", plansByIndex: false, tripsPerTurn: 4 + 4 + 5 },
    // Each trip is a turn of the worker's loop, in which it handles all answers of Stripe's: they must be few.
    { how: "told once", plansByIndex: true, tripsPerTurn: 1 + 1 + 4 },
  ])(
  "of 3,000 events that wait, a worker whose connections are $how to plan by index reads those that it takes and settles",
  async ({ plansByIndex, tripsPerTurn }, { database: { db, url }, boss }) => {
    await addBacklog({ db, boss });
    const { pool, rowsRead, trips } = openCountingPool(url, plansByIndex);
    const plain = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) }).withSchema("metering");
    const counted: Db = plansByIndex ? Object.assign(plain, { plansByIndex }) : plain;
    try {
      for (let turn = 0; turn < turns; turn += 1) await takeAndSettle({ db: counted, boss });
    } finally {
      await counted.destroy();
    }

    const judged = (await readsListsAtOnce(db))
      ? rowsRead
      : rowsRead.filter(({ text }) => !ofPgBoss.test(text));
    const greedy = judged.filter(({ rows }) => rows > rowsPerEventMax * batch);
    expect(rowsRead.length).toBeGreaterThanOrEqual(turns * 4);
    expect(judged.length).toBeGreaterThanOrEqual(turns * 2);
    expect(greedy).toEqual([]);
    expect(trips()).toBe(turns * tripsPerTurn);
  },
);

const ofPgBoss = /(?:update|delete from) pgboss\.job/i;

/**
 * From 17 on Postgres looks up a list of ids in one walk through an index. Before, each id is a walk of its own, and where
 * walks look dear, pg-boss's statements read their queue whole.
 */
async function readsListsAtOnce(db: Db): Promise<boolean> {
  const { rows } = await sql<{ version: number }>`
    select current_setting('server_version_num')::int as version
  `.execute(db);
  return (rows[0]?.version ?? 0) >= 170_000;
}

async function takeAndSettle({ db, boss }: { db: Db; boss: PgBoss }): Promise<void> {
  const { taken } = await takeJobs({ db, boss, log: silentLog }, meter, { room: batch, leaseSeconds: 45 });
  expect(taken).toHaveLength(batch);
  const finished = await Promise.all(taken.map((one) => deliver([one], answered)));
  expect((await settleAttempts({ db, boss }, finished.flat())).size).toBe(batch);
}

const answered = {
  transport: {
    eventsPerRequestMax: 1,
    send: () => Promise.resolve({ kind: "success", httpStatus: 200, requestId: "req_1" } as const),
  },
  eventNames: { temperature_readings: meter, active_sensors: "active_sensors" },
  log: silentLog,
  now: () => new Date(),
};

async function addBacklog({ db, boss }: { db: Db; boss: PgBoss }): Promise<void> {
  const { rows } = await sql<Reminder>`
    with others as materialized (
      insert into metering.organizations (name) select 'org ' || n from generate_series(1, ${customers}::int) n returning id
    ),
    due as (
      insert into metering.meter_events
        (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
      select o.id, metering.uuid_v7(clock_timestamp()), ${meter}, h.hour, 5, h.hour, 1, 'cus_' || o.id
      from others o, generate_series(1, ${eventsOfEach}::int) n,
        lateral (select date_trunc('hour', now(), 'UTC') - n * interval '1 hour' as hour) h
      returning *
    )
    select
      organization_id as "organizationId", id as "meterEventId", meter, stripe_customer_id as "stripeCustomerId",
      (row_number() over (partition by stripe_customer_id order by id) - 1)::int as ahead
    from due
  `.execute(db);
  await remindToDeliver(boss, rows);
}

/** Statistics that are out of date may make an index look as dear as this: the road's statements may not go by it. */
const dearIndexes = "-c random_page_cost=10000";

type Read = { text: string; rows: number };

/** A pool of one connection that counts statements, and the rows which the widest step of each goes through. */
function openCountingPool(
  connectionString: string,
  plansByIndex: boolean,
): { pool: pg.Pool; rowsRead: Read[]; trips: () => number } {
  const rowsRead: Read[] = [];
  let trips = 0;
  const pool = new pg.Pool({
    connectionString,
    max: 1,
    options: dearIndexes,
    ...(plansByIndex && newConnectionsByIndex),
  });
  pool.on("connect", (client) => {
    const plain: (text: string, values?: unknown[]) => Promise<pg.QueryResult> = client.query.bind(client);
    const query = async (text: string, values?: unknown[]) => {
      // The connection's first words have a callback.
      if (typeof values !== "function") trips += 1;
      if (/meter_events|pgboss\.job/.test(text)) {
        const isOpen = client.getTransactionStatus() === "T";
        await plain(isOpen ? "savepoint before" : "begin");
        const explained = await plain(`explain (analyze, format json) ${text}`, values);
        await plain(isOpen ? "rollback to savepoint before" : "rollback");
        const [row] = explained.rows as { "QUERY PLAN": [{ Plan: Step }] }[];
        if (row !== undefined) rowsRead.push({ text, rows: widest(row["QUERY PLAN"][0].Plan) });
      }
      return plain(text, values);
    };
    Object.assign(client, { query });
  });
  return { pool, rowsRead, trips: () => trips };
}

type Step = {
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Join Filter"?: number;
  Plans?: Step[];
};

function widest(step: Step): number {
  const removed = (step["Rows Removed by Filter"] ?? 0) + (step["Rows Removed by Join Filter"] ?? 0);
  const own = (step["Actual Rows"] + removed) * step["Actual Loops"];
  return Math.max(own, ...(step.Plans ?? []).map(widest));
}
