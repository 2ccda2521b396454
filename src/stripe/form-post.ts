import { noAnswer, refusal, type StripeAnswer } from "./answer.ts";
import { exchangeOptionsOf, type StripeOptions, stripeAddress } from "./client.ts";
import { createExchange, type StripesAnswer } from "./exchange.ts";
import { ForeignAnswer } from "./foreign-answer.ts";
import { isObject } from "./judge-answer.ts";
import { recordHeaders } from "./record-headers.ts";

/** `body` is that of an answer of Stripe's own; empty without one. */
type Posted = { answer: StripeAnswer; body: Record<string, unknown> };

/** Posts one form, once, and tells what came of it; throws only for an error of ours. */
export type FormPost = (fields: Readonly<Record<string, string>>, idempotencyKey: string) => Promise<Posted>;

/**
 * Posts to one of Stripe's v1 paths, with the headers that the SDK gives such a request. The SDK itself would take as long
 * for each request as all the rest of the exchange, so this asks it for its headers once. A test compares each request with
 * the one that the SDK would send.
 */
export function createFormPost(options: StripeOptions, path: string): FormPost {
  const exchange = createExchange(exchangeOptionsOf(options));
  const address = stripeAddress(options.apiBase);
  let headers: readonly string[] | undefined;
  return async (fields, idempotencyKey) => {
    headers ??= (await recordHeaders(options, path)).flat();
    const body = formOf(fields);
    try {
      const received = await exchange({
        ...address,
        method: "POST",
        path,
        headers: [...headers, "Idempotency-Key", idempotencyKey],
        body,
      });
      return { answer: answerOf(received), body: received.body };
    } catch (error) {
      return { answer: failureOf(error, options.timeoutMs), body: {} };
    }
  };
}

/** Names with brackets stand as they are, as in Stripe's own examples. */
function formOf(fields: Readonly<Record<string, string>>): string {
  let form = "";
  for (const name in fields) {
    form += `${form === "" ? "" : "&"}${name}=${encodeURIComponent(fields[name] ?? "")}`;
  }
  return form;
}

function answerOf({ status, headers, body: { error } }: StripesAnswer): StripeAnswer {
  const requestId = textOf(headers["request-id"]);
  if (!isObject(error)) return { kind: "success", httpStatus: status, requestId: requestId ?? null };
  return refusal(status, headers, {
    code: textOf(error["code"]),
    type: textOf(error["type"]),
    message: String(error["message"]),
    requestId,
  });
}

/** In the SDK's words, which name no host. */
function failureOf(error: unknown, timeoutMs: number): StripeAnswer {
  if (error instanceof ForeignAnswer) {
    return { kind: "foreign", httpStatus: error.httpStatus, message: error.message };
  }
  const isTimeout = error instanceof Error && "code" in error && error.code === "ETIMEDOUT";
  return noAnswer(
    error,
    isTimeout
      ? `Request aborted due to timeout being reached (${timeoutMs}ms)`
      : "An error occurred with our connection to Stripe.",
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
