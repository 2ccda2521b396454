import { expect, test } from "vitest";
import { json, type RawAnswer, refusal, serve } from "../testing/net/raw-server.ts";
import { answerOfError, type StripeAnswer } from "./answer.ts";
import { createStripe } from "./client.ts";

const apiKey = "sk_test_51HgSecretSecretSecret";
/** An answer that comes may take this long; tests wait longer for silence only. */
const patienceMs = 30_000;
const silenceMs = 300;

/** Sends a meter event with the real SDK, over v1 or v2, and returns how its answer is read. */
async function answerOf(
  apiBase: string,
  { api = "v1", timeoutMs = patienceMs }: { api?: "v1" | "v2"; timeoutMs?: number } = {},
): Promise<StripeAnswer> {
  const { billing, v2 } = createStripe({ apiKey, apiBase, timeoutMs });
  const event = { event_name: "temperature_readings", payload: { stripe_customer_id: "cus_1", value: "1" } };
  const sending = api === "v1" ? billing.meterEvents.create(event) : v2.billing.meterEvents.create(event);
  const accepted: unknown = await sending.catch(answerOfError);
  return accepted as StripeAnswer;
}

const invalid = "invalid_request_error";
const errors: {
  what: string;
  api?: "v1" | "v2";
  status: number;
  error: { type?: string; code?: string; message: string };
}[] = [
  {
    what: "a duplicate on v1, which has no code",
    status: 400,
    error: { type: invalid, message: "An event already exists with identifier id-1." },
  },
  {
    what: "a duplicate on v2, which has no type",
    api: "v2",
    status: 400,
    error: { code: "duplicate_meter_event", message: "Duplicate." },
  },
  {
    what: "a 404",
    status: 404,
    error: { type: invalid, code: "resource_missing", message: "No such meter" },
  },
  { what: "a misused Idempotency-Key", status: 400, error: { type: "idempotency_error", message: "Keys" } },
  { what: "a wrong key", status: 401, error: { type: invalid, message: "Invalid API Key provided" } },
  { what: "a key without the permission", status: 403, error: { type: invalid, message: "No permission" } },
  { what: "a conflict on v1", status: 409, error: { type: invalid, code: "lock_timeout", message: "Lock" } },
  {
    what: "a conflict on v2",
    api: "v2",
    status: 409,
    error: { code: "too_many_concurrent_requests", message: "Too many" },
  },
  { what: "a rate limit sent as 400", status: 400, error: { code: "rate_limit", message: "Too many" } },
  { what: "a rate limit", status: 429, error: { type: invalid, code: "rate_limit", message: "Too many" } },
  {
    what: "a rate limit on v2, an error class of its own",
    api: "v2",
    status: 429,
    error: { type: "rate_limit", code: "rate_limit", message: "Too many" },
  },
  {
    what: "an expired session, an error class of its own",
    api: "v2",
    status: 401,
    error: {
      type: "temporary_session_expired",
      code: "billing_meter_event_session_expired",
      message: "Expired",
    },
  },
  { what: "a server error", status: 500, error: { type: "api_error", message: "Unknown error" } },
];

test.for(errors)("$what is read with its status, code, type and message", async (row) => {
  const { url, requests } = await serve(refusal(row.status, row.error));

  expect(await answerOf(url, row)).toEqual({
    kind: "error",
    httpStatus: row.status,
    code: row.error.code ?? null,
    type: row.error.type ?? null,
    message: row.error.message,
    requestId: "req_1",
    rateLimitedReason: null,
    retryAfterMs: null,
  });
  expect(requests).toHaveLength(1);
});

test("a rate limit carries Stripe's reason and how long to wait", async () => {
  const headers = { "Stripe-Rate-Limited-Reason": "global-rate", "Retry-After": "7" };
  const { url } = await serve(refusal(429, { code: "rate_limit", message: "Too many" }, headers));

  expect(await answerOf(url)).toMatchObject({ rateLimitedReason: "global-rate", retryAfterMs: 7_000 });
});

test.for(["Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1.5", "9999999999999"])(
  "a Retry-After of %o is no number of seconds to wait",
  async (retryAfter) => {
    const tooMany = refusal(429, { type: invalid, message: "Too many" }, { "Retry-After": retryAfter });
    const { url } = await serve(tooMany);

    expect(await answerOf(url)).toMatchObject({ httpStatus: 429, retryAfterMs: null });
  },
);

const halfABody: RawAnswer = (response) => {
  response.writeHead(200, { "content-length": 100 }).write('{"object":');
  setImmediate(() => response.socket?.destroy());
};
type NoAnswer = {
  what: string;
  answer: RawAnswer;
  code: string | null;
  timeoutMs?: number;
  /** The point at which an answer began. */
  httpStatus?: number;
};
const noAnswers: NoAnswer[] = [
  { what: "a body that is cut", answer: halfABody, code: "ECONNRESET", httpStatus: 200 },
  { what: "a connection that is cut", answer: ({ socket }) => socket?.destroy(), code: "ECONNRESET" },
  {
    what: "a connection that is reset",
    answer: ({ socket }) => socket?.resetAndDestroy(),
    code: "ECONNRESET",
  },
  { what: "silence", answer: () => {}, code: "ETIMEDOUT", timeoutMs: silenceMs },
];

test.for(noAnswers)("$what leaves open whether Stripe got the event", async (row) => {
  const { answer, code, timeoutMs, httpStatus } = row;
  const { url } = await serve(answer);

  expect(await answerOf(url, timeoutMs === undefined ? {} : { timeoutMs })).toEqual({
    kind: "no_answer",
    reachedStripe: "maybe",
    code,
    message: expect.stringMatching(/\w/) as unknown,
    ...(httpStatus !== undefined && { httpStatus }),
  });
});

test("a refused connection never reached Stripe", async () => {
  expect(await answerOf("http://127.0.0.1:1")).toMatchObject({
    kind: "no_answer",
    reachedStripe: "no",
    code: "ECONNREFUSED",
  });
});

test("a host that nobody knows was never reached", async () => {
  // A name with a label of more than 63 characters is no valid name: Node refuses it and asks no server.
  const answer = await answerOf(`http://${"a".repeat(64)}.invalid`);

  expect(answer).toMatchObject({ kind: "no_answer", reachedStripe: "no" });
  expect(["ENOTFOUND", "EAI_AGAIN"]).toContain(answer.kind === "no_answer" && answer.code);
});

test("an error of the SDK's that is none of Stripe's is thrown on", () => {
  const bug = new TypeError("x is undefined");

  expect(() => answerOfError(bug)).toThrow(bug);
});

test.for([apiKey, "rk_live_abcDEF123", "sk_live_********cret", "whsec_abcdef0123"])(
  "a message never shows the key %s",
  async (key) => {
    const message = `Invalid API Key provided: ${key}. Try another.`;
    const { url } = await serve(refusal(401, { type: invalid, message }));

    expect(await answerOf(url)).toMatchObject({
      message: expect.stringMatching(
        /^Invalid API Key provided: (sk|rk|whsec)_…\. Try another\.$/,
      ) as unknown,
    });
  },
);

test("an answer that is fine is no error", async () => {
  const { url } = await serve(json(200, { object: "billing.meter_event" }));

  expect(await answerOf(url)).toMatchObject({ object: "billing.meter_event" });
});
