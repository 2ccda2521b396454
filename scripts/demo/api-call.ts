import type { z } from "zod";

const requestTimeoutMs = 30_000;

export type ApiCall = {
  method: "GET" | "POST" | "PUT";
  /** The whole address. */
  url: string;
  token: string;
  body?: unknown;
  signal: AbortSignal;
};

export type ApiAnswer = { status: number; body: unknown; retryAfterMs: number | undefined };

/** An answer that the demo has no use for, in the API's own words. */
export class ApiRefusal extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor({ method, url }: ApiCall, { status, body, retryAfterMs }: ApiAnswer) {
    super(`${method} ${url} was answered ${status}: ${JSON.stringify(body)}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Calls the API and parses its answer. Throws `ApiRefusal` for a status that is not among `expected`. */
export async function callApi<T>(call: ApiCall, schema: z.ZodType<T>, expected = [200, 201]): Promise<T> {
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
    // Whatever it is, the refusal shows it.
    return text;
  }
}
