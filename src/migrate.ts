import { readMigrateConfig } from "./config.ts";
import { migrate } from "./database/migrate.ts";
import { createLog } from "./log.ts";

const config = readMigrateConfig();
const log = createLog({ level: config.LOG_LEVEL, service: "migrate" });

try {
  await migrate({
    databaseUrl: config.DATABASE_URL,
    log,
    readingsMaxAgeDays: config.READINGS_MAX_AGE_DAYS,
  });
} catch (error) {
  log.error({ event: "migration_failed", error });
  process.exitCode = 1;
}
