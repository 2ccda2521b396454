import { expect, test } from "vitest";
import { verdictOf } from "../delivery/verdict.ts";
import { json, type RawAnswer, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { answerBytesMax } from "./exchange.ts";
import { createStripeReads } from "./reads.ts";
import { createSyncTransport } from "./sync-transport.ts";

const apiKey = "sk_test_foreign";
const timeoutMs = 30_000;
const foreign = { kind: "unknown", reason: "foreign_answer" };

async function answerTo(answer: RawAnswer) {
  const { url, requests } = await serve(answer);
  const transport = createSyncTransport({ apiKey, apiBase: url, timeoutMs });
  const [identifier, timestamp] = ["id-1", Math.floor(Date.now() / 1_000)];
  const event = { eventName: "readings", customerId: "cus_1", value: "1", identifier, timestamp, attempt: 1 };
  return { answer: await transport.send([event]), requests };
}

const page: RawAnswer = (response) => {
  response.writeHead(503, { "content-type": "text/html" }).end("<html>Unavailable</html>");
};
const bare = (status: number): RawAnswer => {
  return (response) => void response.writeHead(status).end();
};
const error = (status: number, fields: unknown): RawAnswer => json(status, { error: fields });
const type = "invalid_request_error";
const meterEvent = { object: "billing.meter_event", identifier: "id-1" };

const foreignAnswers: [what: string, httpStatus: number, answer: RawAnswer][] = [
  ...[302, 401, 403, 404, 409, 429, 500, 503].flatMap((status): [string, number, RawAnswer][] => [
    [`${status} with an empty object`, status, json(status, {})],
    [`${status} with a gateway's message`, status, json(status, { message: "Service Unavailable" })],
    [`${status} with what Stripe would say in a 200`, status, json(status, meterEvent)],
  ]),
  ["a page", 503, page],
  ["an empty 200", 200, bare(200)],
  ["a 204", 204, bare(204)],
  ["null", 200, json(200, null)],
  ["a text", 200, json(200, "fine")],
  ["a number", 200, json(200, 1)],
  ["a list", 200, json(200, [meterEvent])],
  ["an object without a name", 200, json(200, { identifier: "id-1" })],
  ["another object", 200, json(200, { ...meterEvent, object: "customer" })],
  ["another meter event", 200, json(200, { ...meterEvent, identifier: "id-2" })],
  ["a meter event without an identifier", 200, json(200, { object: "billing.meter_event" })],
  ["an error in a 200", 200, error(200, { type, message: "odd" })],
  ["an error in a 302", 302, error(302, { type, message: "odd" })],
  ["an error that is a text", 400, error(400, "bad_request")],
  ["an error that is a list", 400, error(400, [])],
  ["an error without type and code", 401, error(401, { message: "no" })],
  ["an error with a type that is no word of Stripe's", 404, error(404, { type: "Not Found", message: "no" })],
  ["an error whose message is null", 400, error(400, { type, message: null })],
  ["an error whose message is an object", 400, error(400, { type, message: {} })],
  [
    "a duplicate of another event",
    400,
    error(400, { type, message: "An event already exists with identifier id-2." }),
  ],
];

test.for(foreignAnswers)("%s is nobody's verdict", async ([, httpStatus, said]) => {
  const { answer, requests } = await answerTo(said);

  expect(answer).toMatchObject({ kind: "foreign", httpStatus });
  expect(verdictOf(answer)).toEqual(foreign);
  expect(requests).toHaveLength(1);
});

test.for(["identifier id-1.", "identifier `id-1`.", 'identifier "id-1"', "identifier: id-1"])(
  "a duplicate whose words end in %s is ours",
  async (words) => {
    const { answer } = await answerTo(error(400, { type, message: `An event already exists with ${words}` }));

    expect(verdictOf(answer)).toEqual({ kind: "delivered", isDuplicate: true });
  },
);

test("an answer is read up to its bound, and not a byte further than needed", async () => {
  const filler = "x".repeat(answerBytesMax);
  let written = 0;
  const endless: RawAnswer = (response) => {
    response.writeHead(200);
    const more = () => {
      if (response.destroyed) return;
      written += filler.length;
      response.write(filler, () => setImmediate(more));
    };
    more();
  };
  const { answer } = await answerTo(endless);
  const fitting = JSON.stringify({ ...meterEvent, filler: "" });
  const longest = { ...meterEvent, filler: "x".repeat(answerBytesMax - fitting.length) };

  expect(verdictOf(answer)).toEqual(foreign);
  expect(written).toBeLessThan(100 * answerBytesMax);
  expect((await answerTo(json(200, longest))).answer).toMatchObject({ kind: "success" });
  const tooLong = json(200, { ...longest, filler: `${longest.filler}x` });
  expect((await answerTo(tooLong)).answer).toMatchObject({ kind: "foreign", httpStatus: 200 });
});

const reads = {
  readSubscriptions: "cus_1",
  isCustomerDeleted: "cus_1",
  readMeter: "mtr_1",
  readErrorReport: "evt_1",
} as const;

test.for([
  ["a 404 of a gateway", json(404, { message: "Not Found" }), "connection to Stripe"],
  ["a 404 for the path", error(404, { type, message: "Unrecognized request URL" }), "Unrecognized"],
  ["an empty object", json(200, {}), "connection to Stripe"],
  ["another object", json(200, { object: "customer", id: "cus_2" }), "connection to Stripe"],
] as const)("%s is no answer to a read", async ([, answer, failure]) => {
  const { url } = await serve(answer);
  const stripe = createStripeReads(createStripe({ apiKey, apiBase: url, timeoutMs }), apiKey);

  for (const [name, id] of Object.entries(reads)) {
    await expect(stripe[name as keyof typeof reads](id)).rejects.toThrow(failure);
  }
});
