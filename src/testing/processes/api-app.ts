import { type ApiAppOptions, createApiApp } from "../../api/api-app.ts";
import { createBoss } from "../../queue/boss.ts";
import { createRecordingLog } from "./recording-log.ts";
import type { TestDatabase } from "../postgres/test-database.ts";

/**
 * The whole API over one way to the database, asked without a socket, with its log events. Its pg-boss never starts: no
 * reading sends a job.
 */
export function createTestApi(
  { db, pool, url }: Pick<TestDatabase, "db" | "pool" | "url">,
  options: Partial<ApiAppOptions> & Pick<ApiAppOptions, "adminToken">,
) {
  const { log, events } = createRecordingLog();
  const boss = createBoss({ databaseUrl: url, role: "api", connectionsMax: 1 }, log);
  const usual = { db, pool, boss, log, readingsMaxAgeDays: 365, webhookSecrets: ["whsec_test"] };
  return { app: createApiApp({ ...usual, ...options }), events };
}
