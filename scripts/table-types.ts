import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { migrate } from "../src/migrate/migrate.ts";
import { silentLog } from "../src/log.ts";
import { startEmbeddedPostgres } from "../src/testing/postgres/embedded-postgres.ts";

// Writes src/database/schema.ts, the table types, from a database that has just been migrated; with --verify it only
// tells, by its exit code, whether the file is fresh.
const codegen = fileURLToPath(new URL("../node_modules/.bin/kysely-codegen", import.meta.url));
const file = fileURLToPath(new URL("../src/database/schema.ts", import.meta.url));
const options = process.argv.slice(2);

const postgres = await startEmbeddedPostgres({ settings: "fast" });
try {
  await migrate({ databaseUrl: postgres.url, log: silentLog });
  const run = spawnSync(
    codegen,
    [
      `--url=${postgres.url}`,
      "--dialect=postgres",
      "--default-schema=metering",
      "--include-pattern=metering.*",
      "--exclude-pattern=*kysely*",
      "--exclude-pattern=*_default",
      `--out-file=${file}`,
      ...options,
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  process.exitCode = run.status ?? 1;
} finally {
  await postgres.stop();
}
