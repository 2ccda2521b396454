import { sql } from "kysely";
import { onTestFinished } from "vitest";
import { silentLog } from "../../log.ts";
import { createBoss } from "../../queue/boss.ts";
import type { TestDatabase } from "../postgres/test-database.ts";

/** Makes the time of every registered cron come now, and starts a pg-boss as a worker's, which looks for such crons. */
export async function fireCrons(database: TestDatabase): Promise<void> {
  await sql`update pgboss.schedule set cron = '* * * * *'`.execute(database.db);
  // Another pg-boss has looked a moment ago, so it would be half a minute's turn.
  await sql`update pgboss.version set cron_on = null`.execute(database.db);
  const options = { databaseUrl: database.as("worker").url, role: "worker", connectionsMax: 2 } as const;
  const boss = createBoss(options, silentLog);
  onTestFinished(() => boss.stop({ graceful: false }));
  await boss.start();
}
