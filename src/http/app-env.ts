import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Hold } from "./held-bytes.ts";

/** The values that the shared middleware leaves in a request's context. The last two exist once a key was accepted. */
export type AppEnv = {
  Variables: { requestId: string; hold: Hold; organizationId?: string; keyId?: string };
};

export type App = OpenAPIHono<AppEnv>;
