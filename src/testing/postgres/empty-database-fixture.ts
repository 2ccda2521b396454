import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import { silentLog } from "../../log.ts";
import { serviceTest } from "../fixtures/service-fixture.ts";
import { createDatabase, dropDatabase, urlOfDatabase } from "../net/test-server.ts";

/** Vitest's `test` with an `empty` database beside the migrated one: nothing has been migrated there yet. */
export const emptyDatabaseTest = serviceTest.extend("empty", async ({ task }, { onCleanup }) => {
  const server = inject("testServer");
  const name = `${server.prefix}${randomBytes(6).toString("hex")}`;
  await createDatabase(server, name);
  const url = urlOfDatabase(server.url, name);
  const { db, close } = openDatabase(
    { connectionString: url, applicationName: task.name, connectionsMax: 2 },
    silentLog,
  );
  onCleanup(async () => {
    await close();
    await dropDatabase(server, name);
  });
  return { name, url, db };
});
