import fc from "fast-check";
import { expect, test } from "vitest";
import { verdictOf } from "../delivery/verdict.ts";
import { type AnyAnswer, anyAnswer, objectIn, sayAnything } from "../testing/stripe/any-answer.ts";
import type { StripeAnswer } from "./answer.ts";
import { createStripe } from "./client.ts";
import { readCustomerMode } from "./customer-mode.ts";
import { findMeters } from "./find-meters.ts";
import { findWebhookEndpoints } from "./find-webhook-endpoints.ts";
import { listEvents } from "./list-events.ts";
import { listThinEvents } from "./list-thin-events.ts";
import { createStripeReads } from "./reads.ts";
import { createStreamTransport } from "./stream-transport.ts";
import { createSyncTransport, type MeterEventRequest } from "./sync-transport.ts";

// An answer that ends the process or leaves a rejected promise fails the run: vitest reports uncaught errors.

const apiKey = "sk_test_anything";
const timeoutMs = 5_000;
const numRuns = 250;

const request: MeterEventRequest = {
  eventName: "readings",
  customerId: "cus_1",
  value: "42",
  identifier: "id-1",
  timestamp: Math.floor(Date.now() / 1_000) - 60,
  attempt: 1,
};
const accepted = { object: "billing.meter_event", identifier: "id-1" };
const session = {
  object: "v2.billing.meter_event_session",
  authentication_token: "token",
  created: new Date(Date.now()).toISOString(),
  expires_at: new Date(Date.now() + 900_000).toISOString(),
};
const error = (change: object) => ({ error: { type: "invalid_request_error", message: "No.", ...change } });
const duplicate = error({ message: "An event already exists with identifier id-1." });
const missing = error({ code: "resource_missing" });
const missingCustomer = error({ code: "resource_missing", param: "customer" });
const refusals = [
  duplicate,
  missing,
  missingCustomer,
  error({}),
  { message: "Service Unavailable" },
  "text",
  null,
  [],
];

/** Whether Stripe itself says that it has the event. */
function isTaken({ status, ...answer }: AnyAnswer): boolean {
  const body = objectIn({ status, ...answer });
  if (status === 400) return JSON.stringify(body?.["error"] ?? "").includes("already exists with identifier");
  const isAccepted = body?.["object"] === accepted.object && body["identifier"] === accepted.identifier;
  return status >= 200 && status < 300 && isAccepted && body["error"] === undefined;
}

function isEmpty(said: AnyAnswer): boolean {
  const body = objectIn(said);
  return body !== undefined && Object.keys(body).length === 0;
}

function hasError(said: AnyAnswer): boolean {
  return objectIn(said)?.["error"] !== undefined;
}

function expectRecordable(answer: StripeAnswer): void {
  expect(answer).toMatchObject({
    kind: expect.stringMatching(/^(success|error|foreign|no_answer)$/) as unknown,
  });
  expect(answer.kind === "success" || typeof answer.message === "string").toBe(true);
}

function implies(premise: boolean, conclusion: () => boolean): boolean {
  return !premise || conclusion();
}

test("whatever v1 is answered is a verdict, and only Stripe's own word delivers", async () => {
  const { url, say } = await sayAnything();
  const transport = createSyncTransport({ apiKey, apiBase: url, timeoutMs });
  await fc.assert(
    fc.asyncProperty(anyAnswer([accepted, ...refusals]), async (said) => {
      say(said);
      const answer = await transport.send([request]);
      expectRecordable(answer);
      const { kind } = verdictOf(answer);
      expect(implies(kind === "delivered", () => isTaken(said))).toBe(true);
      expect(implies(kind === "rejected", () => hasError(said))).toBe(true);
      expect(implies(answer.kind === "foreign", () => answer.httpStatus === said.status)).toBe(true);
    }),
    { numRuns },
  );
});

test("whatever the stream is answered is a verdict, and only an empty object delivers", async () => {
  const { url, say } = await sayAnything();
  const transport = createStreamTransport(createStripe({ apiKey, apiBase: url, timeoutMs }), Date.now);
  const body = Buffer.from(JSON.stringify(session));
  say({ status: 200, headers: `content-length: ${body.length}\r\n`, body });
  await transport.send([request]);
  await fc.assert(
    fc.asyncProperty(anyAnswer([{}, session, ...refusals]), async (said) => {
      say(said);
      const answer = await transport.send([request]);
      expectRecordable(answer);
      const isDelivered = verdictOf(answer).kind === "delivered";
      expect(implies(isDelivered && said.status < 300, () => isEmpty(said))).toBe(true);
      expect(implies(isDelivered && said.status >= 300, () => isTaken(said))).toBe(true);
    }),
    { numRuns },
  );
});

test("whatever is answered to the opening of a session, no event is sent or lost by it", async () => {
  const { url, say } = await sayAnything();
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs });
  const almost = [{ ...session, expires_at: 7 }, { ...session, authentication_token: "a\nb" }, accepted];
  await fc.assert(
    fc.asyncProperty(anyAnswer([...almost, ...refusals]), async (said) => {
      say(said);
      const answer = await createStreamTransport(stripe, Date.now).send([request]);
      expectRecordable(answer);
      expect(["delivered", "rejected"]).not.toContain(verdictOf(answer).kind);
    }),
    { numRuns },
  );
});

const customer = { object: "customer", id: "cus_1", livemode: false };

test("whatever a read is answered, nothing is missing but by Stripe's word, and nothing is taken for another", async () => {
  const { url, say } = await sayAnything();
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs });
  const reads = createStripeReads(stripe, apiKey);
  const likely = [customer, { ...customer, id: "cus_2" }, { object: "list", data: [] }, ...refusals];
  // Of a list Stripe says by 400 that it does not know the customer.
  const isMissing = (said: AnyAnswer) =>
    JSON.stringify(objectIn(said)).includes("resource_missing") &&
    (said.status === 404 || JSON.stringify(objectIn(said)).includes('"param":"customer"'));
  await fc.assert(
    fc.asyncProperty(anyAnswer(likely), async (said) => {
      say(said);
      const mode = await readCustomerMode(stripe, "cus_1").catch(asFailure);
      expect(implies(mode.kind === "unknown", () => isMissing(said))).toBe(true);
      expect(implies(mode.kind === "found", () => objectIn(said)?.["id"] === "cus_1")).toBe(true);
      for (const read of [
        () => reads.readSubscriptions("cus_1"),
        () => reads.readMeter("mtr_1"),
        () => reads.readErrorReport("evt_1"),
      ]) {
        const found = await read().catch(asFailure);
        expect(implies(found === undefined, () => isMissing(said))).toBe(true);
      }
    }),
    { numRuns: numRuns / 2, examples: [[refusalOf(400, missing)], [refusalOf(400, missingCustomer)]] },
  );
});

test("whatever a list is answered, it is a list or a failure", async () => {
  const { url, say } = await sayAnything();
  const stripe = createStripe({ apiKey, apiBase: url, timeoutMs });
  const likely = [customer, { object: "list", data: [] }, { object: "list", data: [null] }, { data: {} }];
  await fc.assert(
    fc.asyncProperty(anyAnswer([...likely, ...refusals]), async (said) => {
      say(said);
      const isList = () => expect(objectIn(said)).toMatchObject({ data: [] });
      await findMeters(stripe, ["readings"]).then(isList, asFailure);
      await findWebhookEndpoints(stripe, "/webhooks/stripe").then(isList, asFailure);
      await readAll(listEvents(stripe, new Date(0))).then(isList, asFailure);
      await readAll(listThinEvents(stripe, new Date(0))).then(isList, asFailure);
    }),
    { numRuns: numRuns / 5 },
  );
});

async function readAll(list: AsyncIterable<unknown>): Promise<void> {
  for await (const one of list) expect(one).toBeInstanceOf(Object);
}

function refusalOf(status: number, said: object): AnyAnswer {
  const body = Buffer.from(JSON.stringify(said));
  return { status, headers: `content-length: ${body.length}\r\n`, body };
}

function asFailure(thrown: unknown): { kind: "failure" } {
  expect(thrown).toBeInstanceOf(Error);
  return { kind: "failure" };
}
