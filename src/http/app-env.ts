import type { OpenAPIHono } from "@hono/zod-openapi";
import type { HeldBytes, Hold } from "./held-bytes.ts";
import type { Problem } from "./problem.ts";
import type { RequestLog } from "./request-log.ts";
import type { Shortcut } from "./shortcut.ts";

/** The values that the shared middleware leaves in a request's context. The last two exist once a key was accepted. */
export type AppEnv = {
  Variables: { requestId: string; hold: Hold; organizationId?: string; keyId?: string };
};

/** What keeps the promises made for every answer, for a shortcut that keeps them, too. */
export type AnswerParts = {
  requestLog: RequestLog;
  held: HeldBytes;
  /** Logs what is the service's own fault, and makes the problem to answer. */
  problemOf: (error: unknown, requestId: string) => Problem;
  isTraced: boolean;
};

export type App = OpenAPIHono<AppEnv> & {
  parts: AnswerParts;
  /** Asked before the application, by the server only. */
  shortcut?: Shortcut;
};
