import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { meterNames } from "../usage/meters.ts";
import { createBoss } from "./boss.ts";
import { queueSchema } from "./queue-schema.ts";
import { deliverQueueOf, queues, sealQueue, shipmentQueueOf } from "./queues.ts";
import { readQueueSchemaVersion, restoreQueueSchemaVersion } from "./schema-version.ts";

/** pg-boss forwards its crons through this queue, and makes it only when it starts. */
const cronQueueName = "__pgboss__send-it";

const jobTableSettings = ["autovacuum_vacuum_scale_factor=0.02", "autovacuum_analyze_scale_factor=0.02"];

/** Creates or migrates pg-boss's schema and creates our queues. Part of the migration step. */
export async function installQueues({ db, log }: { db: Db; log: Log }, databaseUrl: string): Promise<void> {
  // The tables are of an unknown version, as a dump without pg-boss's rows leaves them. Jobs are only reminders: start
  // anew.
  if ((await readQueueSchemaVersion(db)) === "lost") {
    await sql`drop schema ${sql.id(queueSchema)} cascade`.execute(db);
  }
  const boss = createBoss({ databaseUrl, role: "migrate", connectionsMax: 2 }, log);
  try {
    await boss.start();
    await ensureQueues(boss);
    await tuneJobTable(db);
  } finally {
    await boss.stop({ graceful: false });
  }
}

/**
 * Has the table of all jobs vacuumed and analyzed when a fiftieth of it has changed, in place of a fifth. Every job is
 * updated, some are inserted again, all are deleted, and no update is HOT (measured: 0 of 29,632), since pg-boss indexes the
 * columns that change. Set only where it is missing, so that a second migration waits for no vacuum.
 */
async function tuneJobTable(db: Db): Promise<void> {
  const tuned = await sql`
    select from pg_class
    where oid = ${`${queueSchema}.job_common`}::regclass and reloptions @> ${jobTableSettings}::text[]
  `.execute(db);
  if (tuned.rows.length > 0) return;
  await sql`alter table ${sql.table(`${queueSchema}.job_common`)} set (${sql.raw(jobTableSettings.join(", "))})`.execute(
    db,
  );
}

/** In seconds each. */
export type DeliverRetry = { retryDelay: number; retryDelayMax: number; expireInSeconds: number };

/**
 * Creates the queues and crons that are missing, and gives the deliver and shipment queues this process's backoff and lease, in
 * seconds. Idempotent, so the sweep repeats it: even a pg-boss schema that lost its rows heals.
 */
export async function ensureQueues(boss: PgBoss, deliverRetry?: DeliverRetry): Promise<void> {
  await restoreQueueSchemaVersion(boss);
  for (const queue of queues) {
    await boss.createQueue(queue.name, queue.options);
  }
  if (deliverRetry === undefined) return;
  for (const meter of meterNames) {
    for (const queue of [deliverQueueOf(meter), shipmentQueueOf(meter)]) {
      await boss.updateQueue(queue, { retryBackoff: true, ...deliverRetry });
    }
  }
}

/**
 * Forgets what pg-boss did, and what the seal waits for, at a time that the clock was set back from. Until that time no cron
 * would fire, no job of a lost worker would be found, and nothing would be sealed.
 */
export async function forgetTimesAhead(
  boss: PgBoss,
  { sealIntervalSeconds }: { sealIntervalSeconds: number },
): Promise<void> {
  const db = boss.getDb();
  await db.executeSql(
    `update ${queueSchema}.version set cron_on = null where cron_on > now() + interval '1 minute'`,
  );
  await db.executeSql(
    `update ${queueSchema}.queue set monitor_claim_on = null, monitor_on = null, maintain_on = null
    where greatest(monitor_claim_on, monitor_on, maintain_on) > now() + interval '1 minute'`,
  );
  await db.executeSql(
    `update ${queueSchema}.job set start_after = now()
    where name = $1 and state = 'created' and start_after > now() + make_interval(secs => $2, mins => 1)`,
    [sealQueue.name, sealIntervalSeconds],
  );
}

/** Registers the crons. Only a worker, which fires them, does so. */
export async function ensureCrons(boss: PgBoss): Promise<void> {
  await boss.createQueue(cronQueueName);
  for (const queue of queues) {
    if (queue.cron !== undefined) await boss.schedule(queue.name, queue.cron, null, { tz: "UTC" });
  }
}
