import type { z } from "zod";
import { setTimeout as sleep } from "node:timers/promises";

const requestTimeoutMs = 30_000;

export type ApiCall = {
  method: "GET" | "POST" | "PUT";
  /** The whole address. */
  url: string;
  token: string;
  body?: unknown;
  signal: AbortSignal;
};

type ApiAnswer = { status: number; body: unknown; retryAfterMs: number | undefined };

/** An answer that the demo has no use for, in the API's own words. */
class ApiRefusal extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor({ method, url }: ApiCall, { status, body, retryAfterMs }: ApiAnswer) {
    super(`${method} ${url} was answered ${status}: ${JSON.stringify(body)}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Calls the API and parses its answer. Throws `ApiRefusal` for a status that is not among `expected`. */
export async function callApi<T>(
  call: ApiCall,
  schema: z.ZodType<T>,
  expected = [200, 201, 202],
): Promise<T> {
  const answer = await send(call);
  if (!expected.includes(answer.status)) throw new ApiRefusal(call, answer);
  return schema.parse(answer.body);
}

async function send({ method, url, token, body, signal }: ApiCall): Promise<ApiAnswer> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
  });
  const retryAfterSeconds = response.headers.get("retry-after");
  return {
    status: response.status,
    body: parseJson(await response.text()),
    retryAfterMs: retryAfterSeconds === null ? undefined : Number(retryAfterSeconds) * 1_000,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The refusal shows the body, JSON or not.
    return text;
  }
}

const firstWaitMs = 200;
const waitMsMax = 3_000;
const attemptsMax = 10;
const temporaryStatuses = [429, 503];

/**
 * Does what a gateway does when the API is away or overloaded: tries again, with growing pauses or the one that the
 * API asks for. Throws the last failure when it lasts, and any other failure at once.
 */
export async function withRetry<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let attempts = 1; ; attempts += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!isTemporary(error) || attempts === attemptsMax) throw error;
      await sleep(waitMs(error, attempts), undefined, { signal });
    }
  }
}

function isTemporary(error: unknown): boolean {
  if (error instanceof ApiRefusal) return temporaryStatuses.includes(error.status);
  // fetch throws a TypeError for a connection refused or broken, and a TimeoutError at the deadline.
  return error instanceof TypeError || (error instanceof DOMException && error.name === "TimeoutError");
}

function waitMs(error: unknown, attempts: number): number {
  const asked = error instanceof ApiRefusal ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(asked, Math.min(waitMsMax, firstWaitMs * 2 ** (attempts - 1)));
}
