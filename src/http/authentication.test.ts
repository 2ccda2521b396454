import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { expect, onTestFinished, test, vi } from "vitest";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { makeApiKey } from "./api-key.ts";
import { createApp } from "./app.ts";
import { requireAdmin, requireKey } from "./authentication.ts";

const adminToken = "operator-token-of-the-tests-0123456789";
const { key } = makeApiKey(Buffer.alloc(32, 1));

function createGuardedApp() {
  const { log, events } = createRecordingLog();
  const app = createApp({ log });
  const findKey = async (asked: string) =>
    asked === key
      ? { keyId: "key-1", organizationId: "acme", isArchived: false, scopes: ["read"] }
      : undefined;
  app.get("/admin", requireAdmin({ adminToken }), (c) => c.text("in"));
  app.get("/read", requireKey({ findKey, scope: "read" }), (c) => c.text(c.var.organizationId));
  app.get("/ingest", requireKey({ findKey, scope: "ingest" }), (c) => c.text("in"));
  const ask = (path: string, authorization?: string) =>
    app.request(path, { headers: authorization === undefined ? {} : { authorization } });
  return { ask, events };
}

test("the operator's token opens an operator's route, whatever the case of Bearer", async () => {
  const { ask } = createGuardedApp();
  expect((await ask("/admin", `Bearer ${adminToken}`)).status).toBe(200);
  expect((await ask("/admin", `bearer ${adminToken}`)).status).toBe(200);
});

test.for([
  undefined,
  "",
  "Bearer",
  "Bearer ",
  `Basic ${adminToken}`,
  adminToken,
  `Bearer ${adminToken}x`,
  `Bearer ${adminToken.slice(0, -1)}`,
  `Bearer ${adminToken} x`,
  `Bearer ${key}`,
])("anything else does not open it: %s", async (authorization) => {
  const answer = await createGuardedApp().ask("/admin", authorization);
  expect(answer.status).toBe(401);
  expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  expect(await answer.json()).toMatchObject({ code: "unauthorized", status: 401 });
});

test("a key opens its organization's routes", async () => {
  const answer = await createGuardedApp().ask("/read", `Bearer ${key}`);
  expect(await answer.text()).toBe("acme");
});

test("a key without the scope is refused with the scope's name", async () => {
  const answer = await createGuardedApp().ask("/ingest", `Bearer ${key}`);
  expect(answer.status).toBe(403);
  expect(answer.headers.get("www-authenticate")).toContain('scope="ingest"');
  expect(await answer.json()).toMatchObject({ code: "insufficient_scope" });
});

test("the operator's token is no key", async () => {
  expect((await createGuardedApp().ask("/read", `Bearer ${adminToken}`)).status).toBe(401);
});

test("the log names the organization and never a key or token", async () => {
  const { ask, events } = createGuardedApp();
  await ask(`/read?token=${key}`, `Bearer ${key}`);
  await ask("/admin", `Bearer ${adminToken}`);
  await ask("/admin", `Bearer ${adminToken}x`);
  expect(events[0]).toMatchObject({ event: "http_request", path: "/read", organization_id: "acme" });
  const logged = JSON.stringify(events);
  expect(logged).not.toContain(key);
  expect(logged).not.toContain(adminToken);
});

test("the operator's token is compared in constant time, whatever the length of what was sent", async () => {
  const compare = vi.spyOn(crypto, "timingSafeEqual");
  syncBuiltinESMExports();
  onTestFinished(() => {
    compare.mockRestore();
    syncBuiltinESMExports();
  });
  const { ask } = createGuardedApp();
  for (const token of ["x", adminToken, adminToken.repeat(10)]) await ask("/admin", `Bearer ${token}`);
  expect(compare.mock.calls.map(([sent, expected]) => [sent.byteLength, expected.byteLength])).toEqual([
    [32, 32],
    [32, 32],
    [32, 32],
  ]);
});
