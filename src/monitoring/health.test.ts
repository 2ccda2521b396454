import { expect, test, vi } from "vitest";
import { createApp } from "../http/app.ts";
import { silentLog } from "../log.ts";
import { mountHealth, type ReadinessCheck } from "./health.ts";

function createHealthApp(check: ReadinessCheck) {
  const app = createApp({ log: silentLog });
  mountHealth(app, { check });
  return app;
}

test("a process that runs is healthy, whatever its parts do", async () => {
  const app = createHealthApp(async () => ({ database: "unreachable" }));
  const answer = await app.request("/healthz");
  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ status: "ok" });
});

test("a process whose parts all work is ready", async () => {
  const app = createHealthApp(async () => ({}));
  expect((await app.request("/readyz")).status).toBe(200);
});

test("a process that is not ready names the failing part", async () => {
  const app = createHealthApp(async () => ({ schema: "missing migrations: 0009" }));
  const answer = await app.request("/readyz");
  expect(answer.status).toBe(503);
  expect(await answer.json()).toEqual({
    status: "unavailable",
    parts: { schema: "missing migrations: 0009" },
  });
});

test("a check that hangs counts as failed after two seconds, and is asked once by all who wait", async () => {
  vi.useFakeTimers();
  try {
    let asked = 0;
    const hang = () => {
      asked += 1;
      return new Promise<Record<string, string>>(() => {});
    };
    const app = createHealthApp(hang);
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
