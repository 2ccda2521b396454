import { readFile, writeFile } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { pgDump } from "@electric-sql/pglite-tools/pg_dump";
import { readMigrations } from "../src/migrate/migrations.ts";
import { groupByTable } from "./schema-dump/group-by-table.ts";

// Writes migrations/schema.sql, the schema as all migrations together make it, by pg_dump; with --verify it only tells,
// by its exit code, whether the file is fresh. Postgres and pg_dump run inside this process, so nothing need be installed.
const file = new URL("../migrations/schema.sql", import.meta.url);
const header = `-- The schema as it stands after all migrations, table by table and then its functions, for reading: nothing runs this file.
-- Written by \`npm run schema-dump\`, held fresh by \`npm run check\`. Default partitions are left out.
`;

const fresh = header + groupByTable(await dumpSchema());
if (process.argv.includes("--verify")) {
  const stands = await readFile(file, "utf8").catch(() => "");
  if (stands !== fresh) {
    console.error("migrations/schema.sql is not what the migrations make: run npm run schema-dump");
    process.exitCode = 1;
  }
} else {
  await writeFile(file, fresh);
}

async function dumpSchema(): Promise<string> {
  const pg = await PGlite.create();
  try {
    await pg.exec("create schema metering");
    for (const { text } of await readMigrations()) await pg.exec(text);
    const wanted = ["--schema-only", "--schema=metering", "--exclude-table=metering.*_default"];
    const dump = await pgDump({ pg, args: [...wanted, "--no-owner", "--no-privileges"] });
    return await dump.text();
  } finally {
    await pg.close();
  }
}
