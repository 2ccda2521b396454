import type { Pool, PoolClient } from "pg";
import { PgBoss } from "pg-boss";
import { expect } from "vitest";
import { silentLog } from "../log.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { openCountingPool } from "../testing/plans/counting-pool.ts";
import { analyzeOtherQueues } from "../testing/plans/other-queues.ts";
import { readsListsAtOnce } from "../testing/plans/reads-lists-at-once.ts";
import { refuseJobs } from "../testing/rows/refused-jobs.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { queueSchema } from "./queue-schema.ts";
import { stripeEventsQueue } from "./queues.ts";
import { workEachJob, workQueue } from "./work-queue.ts";

const queue = stripeEventsQueue.name;
const waiting = 2_000;
const batchSize = 50;
const rowsPerJobMax = 5;

test.for([
  { what: "each", work: workEachJob },
  { what: "together", work: workQueue },
])(
  "of 2,000 jobs of a queue that was empty when it was analyzed, those handled $what are read, and no others",
  async ({ work }, { database: { db, url }, boss }) => {
    await analyzeOtherQueues(db, boss);
    await boss.insert(
      queue,
      Array.from({ length: waiting }, (_, n) => ({ data: {}, singletonKey: `evt_${n}` })),
    );
    const { pool, rowsRead } = openCountingPool(url, {
      about: /for update of j skip locked/i,
      areIndexesDear: false,
      plansByIndex: true,
    });
    const counted = new PgBoss({
      db: { executeSql: (text, values) => onOneConnection(pool, (client) => client.query(text, values)) },
      schema: queueSchema,
      migrate: false,
      supervise: false,
      schedule: false,
    });
    try {
      await counted.start();
      await work({ boss: counted, log: silentLog }, { queue, batchSize }, () => Promise.resolve());
      await until(() => rowsRead.length >= 2, { what: "two batches" });
    } finally {
      await counted.stop({ graceful: true, close: false });
      await pool.end();
    }

    expect(rowsRead.every(({ rows }) => rows >= batchSize)).toBe(true);
    // Otherwise the queue may be read once for each list; joined, it was read once for each id.
    const rowsMax = (await readsListsAtOnce(db)) ? rowsPerJobMax * batchSize : waiting;
    expect(rowsRead.filter(({ rows }) => rows > rowsMax)).toEqual([]);
  },
);

test("a job that failed with its database is failed as soon as it can be, long before its lease ends", async ({
  database: { db },
  boss,
}) => {
  const { log, events } = createRecordingLog();
  const allowJobs = await refuseJobs(db, "delete");
  await workQueue({ boss, log }, { queue }, () => {
    throw Object.assign(new Error("cannot execute UPDATE"), { code: "25006" });
  });
  const id = await boss.send(queue, {});
  const stateOf = async () => (await boss.findJobs(queue, { id: id ?? "" }))[0]?.state;

  await until(() => events.length > 0, { what: "the failure" });
  await boss.offWork(queue);
  expect(await stateOf()).toBe("active");
  await allowJobs();

  await until(async () => (await stateOf()) === "retry", { what: "the job to be given back" });
});

async function onOneConnection<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    client.release();
  }
}
