import { access, constants, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Queue } from "bullmq";
import { runMigrations } from "graphile-worker";
import { PgBoss } from "pg-boss";
import { naiveBossSchema, naiveQueueName } from "../peers/naive-names.ts";
import { type ServerProcess, startServerProcess } from "../site/server-process.ts";
import { ask, createOurDatabase, type Site } from "../site/site.ts";

export const naiveQueues = ["pg-boss", "graphile-worker", "bullmq"] as const;
export type NaiveQueueName = (typeof naiveQueues)[number];

export type NaiveSide = {
  url: string;
  env: Record<string, string>;
  /** How many jobs wait. They are gone afterwards. */
  takeJobs: () => Promise<number>;
};

/** Makes the usual design's own database, with its table and the tables of its queue. */
export async function prepareNaiveSide(
  site: Site,
  queue: NaiveQueueName,
  redisPort: number,
): Promise<NaiveSide> {
  const url = await createOurDatabase(site, `naive_${queue}`);
  await ask(
    url,
    `create schema naive;
     create table naive.readings (
       organization_id uuid not null,
       sensor_id text not null,
       recorded_at timestamptz not null,
       temperature double precision not null,
       primary key (organization_id, sensor_id, recorded_at)
     )`,
  );
  const env = { DATABASE_URL: url, QUEUE: queue, REDIS_PORT: String(redisPort) };
  return { url, env, takeJobs: await prepareQueue(site, queue, { url, redisPort }) };
}

/** Starts a Redis with its defaults; undefined when there is no `redis-server` in PATH. */
export async function startRedis(site: Site): Promise<ServerProcess | undefined> {
  if (!(await isInPath("redis-server"))) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "meter-outbox-bench-redis-"));
  site.teardown.add(() => rm(folder, { recursive: true, force: true }));
  return startServerProcess(site, {
    program: "redis-server",
    args: (port) => ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder],
  });
}

async function prepareQueue(
  site: Site,
  queue: NaiveQueueName,
  { url, redisPort }: { url: string; redisPort: number },
): Promise<() => Promise<number>> {
  switch (queue) {
    case "pg-boss":
      await preparePgBoss(url);
      return () => takeRows(url, `${naiveBossSchema}.job`);
    case "graphile-worker":
      await runMigrations({ connectionString: url });
      return () => takeRows(url, "graphile_worker._private_jobs");
    case "bullmq": {
      const jobs = new Queue(naiveQueueName, { connection: { host: "127.0.0.1", port: redisPort } });
      site.teardown.add(() => jobs.close());
      return async () => {
        const { waiting = 0 } = await jobs.getJobCounts("waiting");
        await jobs.obliterate({ force: true });
        await jobs.resume();
        return waiting;
      };
    }
  }
}

async function preparePgBoss(url: string): Promise<void> {
  const boss = new PgBoss({
    connectionString: url,
    schema: naiveBossSchema,
    max: 1,
    supervise: false,
    schedule: false,
  });
  boss.on("error", (error) => process.stderr.write(`${error.message}\n`));
  await boss.start();
  await boss.createQueue(naiveQueueName);
  await boss.stop({ graceful: false });
}

async function takeRows(url: string, table: string): Promise<number> {
  const [row] = await ask<{ jobs: number }>(url, `select count(*)::int as jobs from ${table}`);
  await ask(url, `truncate ${table} cascade`);
  return row?.jobs ?? 0;
}

async function isInPath(program: string): Promise<boolean> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const looks = folders.map((folder) => access(join(folder, program), constants.X_OK));
  const found = await Promise.allSettled(looks);
  return found.some(({ status }) => status === "fulfilled");
}
