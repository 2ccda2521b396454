import type { Log } from "../log.ts";
import type { Problem } from "./problem.ts";

/** Logs a request that failed by the service's own fault; what the client did wrong stands in its answer. */
export function logFailure(log: Log, problem: Problem, requestId: string): void {
  const { status, code } = problem.fields;
  if (status < 500) return;
  log.error({
    event: "http_request_failed",
    status,
    code,
    request_id: requestId,
    error: problem.cause ?? problem,
  });
}
