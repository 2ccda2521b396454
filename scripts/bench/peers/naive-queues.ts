import { Queue } from "bullmq";
import type pg from "pg";
import { PgBoss } from "pg-boss";
import { naiveBossSchema, naiveQueueName } from "./naive-names.ts";
import { variable } from "./peer-variable.ts";

export type UsageJob = { organizationId: string; quantity: number };

/** Where the usual design puts the job of each request. */
export type NaiveQueue = {
  addInTransaction?: (client: pg.ClientBase, job: UsageJob) => Promise<unknown>;
  addAfterCommit?: (job: UsageJob) => Promise<unknown>;
};

/** Opens the queue of that name, as its own documentation says. Its tables are there already. */
export async function openNaiveQueue(kind: string): Promise<NaiveQueue> {
  switch (kind) {
    case "pg-boss":
      return openPgBoss();
    case "graphile-worker":
      return { addInTransaction: addGraphileJob };
    case "bullmq":
      return openBullMq();
    default:
      throw new Error(`there is no queue ${kind}`);
  }
}

async function openPgBoss(): Promise<NaiveQueue> {
  const boss = new PgBoss({
    connectionString: variable("DATABASE_URL"),
    schema: naiveBossSchema,
    max: 2,
    // A worker's work, in a process of its own.
    supervise: false,
    schedule: false,
  });
  boss.on("error", (error) => process.stderr.write(`${error.message}\n`));
  await boss.start();
  return {
    addInTransaction: (client, job) =>
      boss.send(naiveQueueName, job, {
        db: { executeSql: (text, values) => client.query(text, values) },
      }),
  };
}

async function addGraphileJob(client: pg.ClientBase, job: UsageJob): Promise<void> {
  await client.query({
    name: "add_job",
    text: "select from graphile_worker.add_job($1::text, payload := $2::json)",
    values: [naiveQueueName, JSON.stringify(job)],
  });
}

function openBullMq(): NaiveQueue {
  const queue = new Queue<UsageJob>(naiveQueueName, {
    connection: { host: "127.0.0.1", port: Number(variable("REDIS_PORT")) },
    defaultJobOptions: {
      attempts: 10,
      backoff: { type: "exponential", delay: 5_000 },
      removeOnComplete: true,
    },
  });
  return { addAfterCommit: (job) => queue.add("usage", job) };
}
