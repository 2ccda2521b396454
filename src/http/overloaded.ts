import { Problem } from "./problem.ts";

const retryAfterSeconds = "1";

/** The 503 for a request that is one too many at the moment. `detail` says of what, and that nothing was stored. */
export function overloaded(detail: string): Problem {
  return new Problem({
    status: 503,
    code: "overloaded",
    detail,
    headers: { "retry-after": retryAfterSeconds },
  });
}
