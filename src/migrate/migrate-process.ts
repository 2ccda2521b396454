import { readMigrateConfig } from "../config.ts";
import { migrate } from "./migrate.ts";
import { createLog } from "../log.ts";

/** Brings the database to this program's schema. A signal ends it at once, and the run leaves nothing behind. */
export async function runMigrate(): Promise<void> {
  const config = readMigrateConfig();
  const log = createLog({ level: config.LOG_LEVEL, service: "migrate" });
  try {
    await migrate({
      databaseUrl: config.DATABASE_URL,
      backend: config.DATABASE_BACKEND,
      log,
      readingsMaxAgeDays: config.READINGS_MAX_AGE_DAYS,
    });
  } catch (error) {
    log.error({ event: "migration_failed", error });
    // At once: a pg-boss that could not finish its set-up would go on trying.
    process.exit(1);
  }
}
