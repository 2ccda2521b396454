import type { TestProject } from "vitest/node";
import { migrate } from "../database/migrate.ts";
import { silentLog } from "../log.ts";
import { startPostgresSource } from "./postgres-source.ts";
import {
  createDatabase,
  dropAllDatabases,
  nameTestServer,
  type TestServer,
  urlOfDatabase,
} from "./test-server.ts";

declare module "vitest" {
  interface ProvidedContext {
    testServer: TestServer;
  }
}

/**
 * Starts the database suite's Postgres, migrates the template that each test's database is a copy of, and returns
 * what undoes both. Reads `TEST_DATABASE_URL`, `TEST_POSTGRES` and `TEST_POSTGRES_IMAGE`.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const source = await startPostgresSource(process.env, (line) => process.stdout.write(`${line}\n`));
  const server = nameTestServer(source.url);
  async function teardown(): Promise<void> {
    try {
      if (source.source === "url") await dropAllDatabases(server);
    } finally {
      await source.stop();
    }
  }
  try {
    await createDatabase(server, server.template);
    await migrate({ databaseUrl: urlOfDatabase(server.url, server.template), log: silentLog });
  } catch (error) {
    await teardown();
    throw error;
  }
  project.provide("testServer", server);
  return teardown;
}
