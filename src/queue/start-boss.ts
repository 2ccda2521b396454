import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { type BossOptions, createBoss } from "./boss.ts";
import { queueSchemaVersion, readQueueSchemaVersion } from "./schema-version.ts";

/**
 * Creates pg-boss for an API, a worker or a command, and starts it. It also starts on a schema that a newer version of
 * this program has migrated already, since this version has to run on until it is replaced.
 */
export async function startBoss(
  { db, log }: { db: Db; log: Log },
  options: Omit<BossOptions, "isSchemaAhead">,
): Promise<PgBoss> {
  const version = await readQueueSchemaVersion(db);
  const isSchemaAhead = typeof version === "number" && version > queueSchemaVersion;
  if (isSchemaAhead) log.warn({ event: "queue_schema_ahead", version, own_version: queueSchemaVersion });
  const boss = createBoss({ ...options, isSchemaAhead }, log);
  await boss.start();
  return boss;
}
