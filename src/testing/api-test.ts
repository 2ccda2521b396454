import { z } from "zod";
import type { App } from "../http/app.ts";
import type { LogEvent } from "../log.ts";
import { createApiApp } from "../ops/api-app.ts";
import { createBoss } from "../queue/boss.ts";
import { databaseTest } from "./database-test.ts";
import { type AskApp, checkedRequests } from "./openapi/checked-requests.ts";
import { createRecordingLog } from "./recording-log.ts";

export type Ask = {
  token?: string;
  json?: unknown;
  /** A body as it is, in place of `json`. */
  text?: string;
  headers?: Record<string, string>;
};

// Whatever a route answered, read without trust: a test names what it expects.
const anyBody = z.record(z.string(), z.unknown());

export type TextAnswer = { status: number; headers: Headers; text: string };
export type Answer = { status: number; headers: Headers; body: Record<string, unknown> };

export type Api = {
  /** For tests that ask over a socket. */
  app: App;
  adminToken: string;
  events: LogEvent[];
  ask: (method: string, path: string, options?: Ask) => Promise<Answer>;
  /** The answer's body as it came. */
  askText: (method: string, path: string, options?: Ask) => Promise<TextAnswer>;
  /** Any request at all, its answer held to the document like all others. */
  request: AskApp;
  /** Creates an organization with a key of the given scopes. */
  join: (scopes?: string[]) => Promise<{ id: string; key: string; keyId: string }>;
};

/** Both sign, as while one is rotated. */
export const webhookSecrets = ["whsec_old", "whsec_new"];

const created = z.object({ id: z.uuid() });
const createdKey = z.object({ id: z.uuid(), key: z.string() });

/** Vitest's `test` with the whole `api` on a database of its own, asked without a socket, its answers held to the document. */
export const apiTest = databaseTest.extend("api", async ({ database }, { onCleanup }): Promise<Api> => {
  const { log, events } = createRecordingLog();
  const adminToken = "operator-token-of-the-tests-0123456789";
  const { db, pool, url } = database.as("api");
  const boss = createBoss({ databaseUrl: url, role: "api", connectionsMax: 1 }, log);
  await boss.start();
  onCleanup(() => boss.stop({ graceful: false }));
  const app = createApiApp({
    db,
    pool,
    boss,
    log,
    adminToken,
    readingsMaxAgeDays: 365,
    webhookSecrets,
  });

  const request = checkedRequests(app);

  async function askText(
    method: string,
    path: string,
    { token, json, text, headers }: Ask = {},
  ): Promise<TextAnswer> {
    const response = await request(path, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(json !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(json !== undefined && { body: JSON.stringify(json) }),
      ...(text !== undefined && { body: text }),
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  async function ask(method: string, path: string, options: Ask = {}): Promise<Answer> {
    const { status, headers, text } = await askText(method, path, options);
    return { status, headers, body: text === "" ? {} : anyBody.parse(JSON.parse(text)) };
  }

  async function join(scopes = ["ingest", "read"]) {
    const asked = { token: adminToken, json: { name: "Acme" } };
    const { id } = created.parse((await ask("POST", "/v1/organizations", asked)).body);
    const path = `/v1/organizations/${id}/api-keys`;
    const answer = await ask("POST", path, { token: adminToken, json: { scopes } });
    const { id: keyId, key } = createdKey.parse(answer.body);
    return { id, key, keyId };
  }
  return { app, adminToken, events, ask, askText, request, join };
});
