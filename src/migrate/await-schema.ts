import { setTimeout as sleep } from "node:timers/promises";
import { readDurabilityFaults } from "../database/durability.ts";
import { missingMigrations } from "./migrations.ts";
import type { Db } from "../database/db.ts";
import { isDatabaseAway } from "../database/database-unavailable.ts";
import { hasSharedSessions, sharedSessionsFault } from "../database/shared-sessions.ts";
import type { Log } from "../log.ts";

const patienceMs = 30_000;
const retryMs = 500;

/**
 * Whether a process may start: waits up to 30 seconds for the database to answer, then looks whether its sessions are ours
 * alone, and compares its schema. When the answer is no, it logs one line that says what to do. Throws every other error.
 */
export async function awaitSchema({ db, log }: { db: Db; log: Log }): Promise<boolean> {
  const startedAt = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (await hasSharedSessions(db)) {
        log.error({ event: "start_refused", reason: "shared_sessions", message: sharedSessionsFault });
        return false;
      }
      const missing = await missingMigrations(db);
      if (missing.length === 0) {
        await warnOfLoss({ db, log });
        return true;
      }
      const message = "the database lacks migrations: run `node dist/migrate.js` first";
      log.error({ event: "start_refused", reason: "schema_outdated", message, missing });
      return false;
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      if (performance.now() - startedAt > patienceMs) {
        const message = `the database did not answer for ${patienceMs / 1_000} seconds: check DATABASE_URL`;
        log.error({ event: "start_refused", reason: "database_unavailable", message, error });
        return false;
      }
      if (attempt === 1) log.warn({ event: "database_awaited", error });
      await sleep(retryMs);
    }
  }
}

/** A warning only: a process that refused to start would lose more readings than a crash that may never come. */
async function warnOfLoss({ db, log }: { db: Db; log: Log }): Promise<void> {
  const faults = await readDurabilityFaults(db);
  if (faults.length === 0) return;
  const message = "a crash of the database may lose what was committed: set these on";
  log.warn({ event: "database_not_durable", message, faults });
}
