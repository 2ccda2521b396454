import { expect, test, vi } from "vitest";
import { createApp } from "../http/app.ts";
import { silentLog } from "../log.ts";
import { type HealthCheck, mountHealth } from "./health.ts";

function createHealthApp(checks: Record<string, HealthCheck>) {
  const app = createApp({ log: silentLog });
  mountHealth(app, { checks });
  return app;
}

test("a process that runs is healthy, whatever its parts do", async () => {
  const app = createHealthApp({ database: async () => "unreachable" });
  const answer = await app.request("/healthz");
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ status: "ok" });
});

test("a process whose parts all work is ready", async () => {
  const app = createHealthApp({ database: async () => undefined });
  expect((await app.request("/readyz")).status).toBe(200);
});

test("a process that is not ready names the failing part", async () => {
  const app = createHealthApp({
    database: async () => undefined,
    schema: async () => "missing migrations: 0009",
  });
  const answer = await app.request("/readyz");
  expect(answer.status).toBe(503);
  expect(await answer.json()).toEqual({
    status: "unavailable",
    parts: { schema: "missing migrations: 0009" },
  });
});

test("a part that hangs counts as failed after two seconds, and is asked once by all who wait", async () => {
  vi.useFakeTimers();
  try {
    let asked = 0;
    const hang = () => {
      asked += 1;
      return new Promise<undefined>(() => {});
    };
    const app = createHealthApp({ database: hang });
    const answers = Promise.all([app.request("/readyz"), app.request("/readyz")]);
    await vi.advanceTimersByTimeAsync(2_000);
    for (const answer of await answers) {
      expect(await answer.json()).toMatchObject({ parts: { database: "no answer within 2 seconds" } });
    }
    expect(asked).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});
