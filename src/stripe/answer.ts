import Stripe from "stripe";
import { z } from "zod";
import { foreignAnswerOf } from "./foreign-answer.ts";

/** The answer to one request to Stripe, before any conclusion. */
export type StripeAnswer =
  | SuccessAnswer
  | {
      kind: "error";
      httpStatus: number;
      code: string | null;
      type: string | null;
      message: string;
      requestId: string | null;
      /** Header `Stripe-Rate-Limited-Reason`. */
      rateLimitedReason: string | null;
      /** By Stripe's clock, the usage was too far ahead when it was refused. */
      isTooEarly?: boolean;
      /** Header `Retry-After`, in milliseconds, when it is a number of seconds. */
      retryAfterMs: number | null;
    }
  /** A server between us and Stripe answered; whether Stripe got the request is unknown. */
  | { kind: "foreign"; httpStatus: number; message: string }
  | {
      kind: "no_answer";
      /** Whether the request can have reached Stripe: after a refused connection or an unknown host it cannot. */
      reachedStripe: "no" | "maybe";
      code: string | null;
      message: string;
      /** For an answer that began and did not end, or an answer to a request that had to come first. */
      httpStatus?: number;
    };

type SuccessAnswer = { kind: "success"; httpStatus: number; requestId: string | null };

/** Fields that the SDK adds to every answer; the id is a header that only Stripe's own answers are sure to have. */
const answeredSchema = z.object({
  lastResponse: z.object({ statusCode: z.int(), requestId: z.string().optional().catch(undefined) }),
});

/** Reads an answer that the SDK returned. */
export function successOf(answered: unknown): SuccessAnswer {
  const { statusCode: httpStatus, requestId = null } = answeredSchema.parse(answered).lastResponse;
  return { kind: "success", httpStatus, requestId };
}

/** Error codes of connections that were never made, unless reading or writing failed with them. */
const neverConnected = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

/**
 * Reads an error that the SDK threw. By status, not by class: 409 and 5xx share a class, and 429 has two (stripe-node's
 * own mapping). Throws every other error again.
 */
export function answerOfError(error: unknown): StripeAnswer {
  const foreign = foreignAnswerOf(error);
  if (foreign !== undefined) {
    return { kind: "foreign", httpStatus: foreign.httpStatus, message: foreign.message };
  }
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  if (error.statusCode === undefined) return noAnswer(error.detail, error.message);
  return refusal(error.statusCode, error.headers ?? {}, {
    code: error.code,
    type: error.rawType,
    message: error.message,
    requestId: error.requestId,
  });
}

type Refusal = {
  code?: string | undefined;
  type?: string | undefined;
  message: string;
  requestId?: string | undefined;
};

/** Stripe's own refusal of a request. */
export function refusal(
  httpStatus: number,
  headers: Readonly<Record<string, string | string[]>>,
  { code, type, message, requestId }: Refusal,
): StripeAnswer {
  return {
    kind: "error",
    httpStatus,
    code: code ?? null,
    type: type ?? null,
    message: withoutKeys(message),
    requestId: requestId ?? null,
    rateLimitedReason: headerOf(headers, "stripe-rate-limited-reason"),
    retryAfterMs: retryAfterMs(headerOf(headers, "retry-after")),
  };
}

/** The answer where the exchange with Stripe failed with the error `detail`. */
export function noAnswer(detail: unknown, message: string): StripeAnswer {
  const { code, syscall } = connectionFailure(detail);
  const isConnected = syscall === "read" || syscall === "write";
  const httpStatus = statusBeforeFailure(detail);
  return {
    kind: "no_answer",
    reachedStripe: code !== null && neverConnected.has(code) && !isConnected ? "no" : "maybe",
    code,
    message: withoutKeys(message),
    ...(httpStatus !== undefined && { httpStatus }),
  };
}

/** The HTTP status, if one came. */
export function httpStatusOf(answer: StripeAnswer): number | null {
  return answer.httpStatus ?? null;
}

function headerOf(headers: Readonly<Record<string, string | string[]>>, name: string): string | null {
  const value = headers[name];
  return Array.isArray(value) ? value.join(", ") : (value ?? null);
}

// Stripe masks the key that it quotes in a refusal; a proxy or a stand-in may not.
function withoutKeys(message: string): string {
  return message.replaceAll(/\b(sk|rk|whsec)_(?:(test|live)_)?[\w*]+/g, "$1_…");
}

/** Node's message about the connection, which our own client may have wrapped. */
function connectionFailure(detail: unknown): { code: string | null; syscall: string | null } {
  if (!(detail instanceof Error)) return { code: null, syscall: null };
  if (!("code" in detail) && detail.cause !== undefined) return connectionFailure(detail.cause);
  return {
    code: "code" in detail && typeof detail.code === "string" ? detail.code : null,
    syscall: "syscall" in detail && typeof detail.syscall === "string" ? detail.syscall : null,
  };
}

/** Stripe's own id of the request. */
export function requestIdOf(answer: StripeAnswer): string | null {
  return answer.kind === "success" || answer.kind === "error" ? answer.requestId : null;
}

function statusBeforeFailure(detail: unknown): number | undefined {
  if (!(detail instanceof Error) || !("httpStatus" in detail)) return undefined;
  return typeof detail.httpStatus === "number" ? detail.httpStatus : undefined;
}

function retryAfterMs(header: string | null): number | null {
  if (header === null || !/^\d{1,12}$/.test(header)) return null;
  return Number(header) * 1_000;
}

/**
 * Whether Stripe itself says that this object does not exist. A 404 for something else, or from another server, does
 * not count.
 */
export function isMissing(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeError &&
    error.statusCode === 404 &&
    error.code === "resource_missing"
  );
}

/** Whether a read failed because it asked about a customer whom Stripe does not know. */
export function isUnknownCustomer(error: unknown): boolean {
  return (
    error instanceof Stripe.errors.StripeError &&
    error.code === "resource_missing" &&
    error.param === "customer"
  );
}

/** Whether a read failed because Stripe could not be reached, or could not answer it. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof Stripe.errors.StripeError && (error.statusCode ?? 500) >= 500;
}

/** Whether a read failed because Stripe could not answer it, or refused it for a reason that concerns every read. */
export function isStripesFault(error: unknown): boolean {
  if (!(error instanceof Stripe.errors.StripeError)) return false;
  return isUnanswered(error) || [401, 403, 409, 429].includes(error.statusCode ?? 0);
}

/** Whether a read failed for the key's sake, or because there were too many: so would every other. */
export function concernsEveryRead(error: unknown): boolean {
  return error instanceof Stripe.errors.StripeError && [401, 403, 429].includes(error.statusCode ?? 0);
}
