import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../http/app-env.ts";
import { jsonAnswer } from "../http/json-content.ts";

/** Names each part that fails, with the reason in a few words without secrets. Empty: the process is ready. */
export type ReadinessCheck = () => Promise<Record<string, string>>;

const checkTimeoutMs = 2_000;

const okSchema = z.strictObject({ status: z.literal("ok") });
const unavailableSchema = z.strictObject({
  status: z.literal("unavailable"),
  parts: z
    .record(z.string(), z.string())
    .openapi({ description: "each failing part, and what is wrong with it" }),
});

const healthRoute = createRoute({
  method: "get",
  path: "/healthz",
  operationId: "getHealth",
  summary: "Whether the process runs",
  tags: ["Operation"],
  responses: { 200: jsonAnswer("It runs", okSchema) },
});

const readyRoute = createRoute({
  method: "get",
  path: "/readyz",
  operationId: "getReadiness",
  summary: "Whether the process can do its work",
  tags: ["Operation"],
  responses: {
    200: jsonAnswer("It can", okSchema),
    503: jsonAnswer("It cannot at the moment", unavailableSchema),
  },
});

/** Adds `/healthz` and `/readyz`. A check that takes longer than two seconds counts as failed. */
export function mountHealth(app: App, { check }: { check: ReadinessCheck }): void {
  const checkOnce = oneAtATime(check);

  app.openapi(healthRoute, (c) => c.json({ status: "ok" as const }, 200));
  app.openapi(readyRoute, async (c) => {
    const parts = await withinTimeout(checkOnce);
    if (Object.keys(parts).length === 0) return c.json({ status: "ok" as const }, 200);
    return c.json({ status: "unavailable" as const, parts }, 503);
  });
}

// Probes that come while a check hangs join it, so that they do not take one connection each.
function oneAtATime(check: ReadinessCheck): ReadinessCheck {
  let underWay: Promise<Record<string, string>> | undefined;
  return () => {
    underWay ??= check().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

async function withinTimeout(check: ReadinessCheck): Promise<Record<string, string>> {
  let timer: NodeJS.Timeout | undefined;
  const tooSlow = new Promise<Record<string, string>>((resolve) => {
    const database = `no answer within ${checkTimeoutMs / 1_000} seconds`;
    timer = setTimeout(resolve, checkTimeoutMs, { database });
  });
  try {
    return await Promise.race([check(), tooSlow]);
  } finally {
    clearTimeout(timer);
  }
}
