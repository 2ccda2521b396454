import Stripe from "stripe";

/** What came back from one request to Stripe, with nothing concluded from it yet. */
export type StripeAnswer =
  | { kind: "success"; httpStatus: number; requestId: string | null }
  | {
      kind: "error";
      httpStatus: number;
      code: string | null;
      type: string | null;
      message: string;
      requestId: string | null;
      /** Header `Stripe-Rate-Limited-Reason`. */
      rateLimitedReason: string | null;
      /** Header `Retry-After`, in milliseconds, when it is a number of seconds. */
      retryAfterMs: number | null;
    }
  | {
      kind: "no_answer";
      /** Whether the request can have reached Stripe: a refused connection or an unknown host cannot. */
      reachedStripe: "no" | "maybe";
      code: string | null;
      message: string;
    };

/** Error codes of connections that were never made, unless it was reading or writing that failed with them. */
const neverConnected = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/**
 * Reads what the SDK threw. By status, not by class: 409 and 5xx share a class, and 429 has two (stripe-node's own
 * mapping). Anything that is no error of the SDK's is thrown on.
 */
export function answerOfError(error: unknown): StripeAnswer {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  if (error.statusCode !== undefined) {
    const headers = new Headers(error.headers ?? {});
    return {
      kind: "error",
      httpStatus: error.statusCode,
      code: error.code ?? null,
      type: error.rawType ?? null,
      message: withoutKeys(error.message),
      requestId: error.requestId ?? null,
      rateLimitedReason: headers.get("stripe-rate-limited-reason"),
      retryAfterMs: retryAfterMs(headers.get("retry-after")),
    };
  }
  const { code, syscall } = connectionFailure(error.detail);
  const isConnected = syscall === "read" || syscall === "write";
  return {
    kind: "no_answer",
    reachedStripe: code !== null && neverConnected.has(code) && !isConnected ? "no" : "maybe",
    code,
    message: withoutKeys(error.message),
  };
}

// Stripe masks the key that it quotes in a refusal; a proxy or a stand-in may not.
function withoutKeys(message: string): string {
  return message.replaceAll(/\b(sk|rk|whsec)_(?:(test|live)_)?[\w*]+/g, "$1_…");
}

/** What Node said of the connection, which our own client may have wrapped. */
function connectionFailure(detail: unknown): { code: string | null; syscall: string | null } {
  if (!(detail instanceof Error)) return { code: null, syscall: null };
  if (!("code" in detail) && detail.cause !== undefined) return connectionFailure(detail.cause);
  return {
    code: "code" in detail && typeof detail.code === "string" ? detail.code : null,
    syscall: "syscall" in detail && typeof detail.syscall === "string" ? detail.syscall : null,
  };
}

function retryAfterMs(header: string | null): number | null {
  if (header === null || !/^\d{1,6}$/.test(header)) return null;
  return Number(header) * 1_000;
}

/** Whether a read failed because Stripe could not answer it, or would not for reasons that concern every read. */
export function isStripesFault(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError)) return false;
  const { statusCode } = error;
  return statusCode === undefined || statusCode >= 500 || [401, 403, 409, 429].includes(statusCode);
}
