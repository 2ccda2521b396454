import { missingMigrations } from "../../migrate/migrations.ts";
import type { Db } from "../../database/db.ts";
import { queueSchemaVersion, readQueueSchemaVersion } from "../../queue/schema-version.ts";
import { type Finding, ok, problem } from "./finding.ts";

const remedy = "run `node dist/migrate.js`";

/** Whether the database has our migrations, and the pg-boss schema that this program works with. */
export async function checkSchema(db: Db): Promise<Finding[]> {
  return [await checkMigrations(db), await checkQueue(db)];
}

async function checkMigrations(db: Db): Promise<Finding> {
  const missing = (await missingMigrations(db)).filter((name) => !name.startsWith("pg-boss "));
  return missing.length === 0
    ? ok("migrations", "all are there")
    : problem("migrations", `missing: ${missing.join(", ")}`, remedy);
}

async function checkQueue(db: Db): Promise<Finding> {
  const version = await readQueueSchemaVersion(db);
  if (version === undefined) return problem("pg-boss", "its schema is missing", remedy);
  if (version === "lost") return problem("pg-boss", "its schema has lost its version", remedy);
  return version >= queueSchemaVersion
    ? ok("pg-boss", `schema ${version}`)
    : problem("pg-boss", `its schema is ${version}, and ${queueSchemaVersion} is needed`, remedy);
}
