import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../http/app.ts";
import { jsonAnswer } from "../http/json-content.ts";

/** Tells what is wrong with one part, in a few words without secrets, or undefined if nothing is. */
export type HealthCheck = () => Promise<string | undefined>;

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
export function mountHealth(app: App, { checks }: { checks: Record<string, HealthCheck> }): void {
  const guarded = Object.entries(checks).map(([part, check]) => ({ part, check: oneAtATime(check) }));

  app.openapi(healthRoute, (c) => c.json({ status: "ok" as const }, 200));
  app.openapi(readyRoute, async (c) => {
    const answers = await Promise.all(
      guarded.map(async ({ part, check }) => [part, await withinTimeout(check)] as const),
    );
    const failing = answers.filter((answer): answer is [string, string] => answer[1] !== undefined);
    if (failing.length === 0) return c.json({ status: "ok" as const }, 200);
    return c.json({ status: "unavailable" as const, parts: Object.fromEntries(failing) }, 503);
  });
}

// Probes that come while a check hangs join it; they must not take one connection each.
function oneAtATime(check: HealthCheck): HealthCheck {
  let underWay: Promise<string | undefined> | undefined;
  return () => {
    underWay ??= check().finally(() => {
      underWay = undefined;
    });
    return underWay;
  };
}

async function withinTimeout(check: HealthCheck): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooSlow = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, checkTimeoutMs, `no answer within ${checkTimeoutMs / 1_000} seconds`);
  });
  try {
    return await Promise.race([check(), tooSlow]);
  } finally {
    clearTimeout(timer);
  }
}
