import { expect } from "vitest";
import { refusal } from "../stripe/answer.ts";
import type { StripeAnswer } from "../stripe/answer.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { addMeterEvent, readAttempts, readMeterEvent } from "../testing/rows/meter-events.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { createBreaker } from "./breaker.ts";
import { turnMsMax } from "./limits.ts";
import { sendTaken } from "./send-taken.ts";
import { settleAttempts } from "./settle.ts";
import { createTokenBucket } from "./token-bucket.ts";
import { unwatched } from "./watch.ts";

const leaseSeconds = 45;
const type = "invalid_request_error";
const refused = refusal(400, {}, { code: "invalid_fields", message: "not well-formed" });
const accepted: StripeAnswer = { kind: "success", httpStatus: 200, requestId: null };
const begunAt = new Date();

/** Sends several events in one request that Stripe refuses as a whole; `answer` is to each that is then sent alone. */
const test = roadTest.extend("apart", async ({ database: { db } }) => {
  const { log } = createRecordingLog();
  const breaker = createBreaker({ db, log }, { leaseSeconds });
  const real = createTokenBucket(100, () => performance.now());
  const tokens = { taken: 0, overdrawn: 0 };
  const bucket = {
    ...real,
    take: (count: number) => {
      if (real.available() < count) tokens.overdrawn += 1;
      tokens.taken += count;
      real.take(count);
    },
  };
  const sent = { alone: 0, underWay: 0, underWayMax: 0 };

  return {
    breaker,
    bucket,
    tokens,
    sent,
    send: async (
      count: number,
      answer: () => StripeAnswer,
      { now = () => begunAt, stopping = new AbortController().signal } = {},
    ) => {
      const events = [];
      for (let i = 0; i < count; i += 1) events.push(await addMeterEvent(db));
      const attempts = await beginAttempts(db, events, { leaseSeconds });
      const finished = await sendTaken(
        { jobs: attempts.map((attempt) => ({ attempt })), probedScope: undefined, begunAt },
        {
          transport: {
            eventsPerRequestMax: 100,
            send: async ({ length }) => {
              if (length > 1) return refused;
              sent.alone += 1;
              sent.underWay += 1;
              sent.underWayMax = Math.max(sent.underWayMax, sent.underWay);
              await new Promise(setImmediate);
              sent.underWay -= 1;
              return answer();
            },
          },
          eventNames: { temperature_readings: "temperature_readings", active_sensors: "active_sensors" },
          now,
          log,
          breaker,
          bucket,
          watch: unwatched,
          leaseSeconds,
          stopping,
        },
      );
      return { finished, reasons: finished.map(({ outcome }) => outcome.reason) };
    },
  };
});

function each(answers: readonly StripeAnswer[]): () => StripeAnswer {
  const left = [...answers];
  return () => left.shift() ?? refused;
}

test("events of a refused request go out alone, one at a time, and wait for the bucket", async ({
  apart,
}) => {
  const { reasons } = await apart.send(40, () => accepted);

  expect(reasons).toEqual(Array<string>(40).fill("accepted"));
  expect(apart.sent).toEqual({ alone: 40, underWay: 0, underWayMax: 1 });
  expect(apart.tokens).toEqual({ taken: 40, overdrawn: 0 });
});

test("events whose turn would come too late for their attempts' lease are put back, and none of them counts as sent", async ({
  apart,
  boss,
  database: { db },
}) => {
  let passedMs = 0;
  const answer = () => {
    passedMs += turnMsMax(leaseSeconds) / 2;
    return accepted;
  };

  const { finished, reasons } = await apart.send(5, answer, {
    now: () => new Date(begunAt.getTime() + passedMs),
  });
  await settleAttempts({ db, boss }, finished);

  expect(reasons).toEqual(["accepted", "accepted", "accepted", "held_back", "held_back"]);
  expect(apart.sent.alone).toBe(3);
  const events = finished.map(({ attempt }) => attempt);
  for (const event of events.slice(3)) {
    expect(await readMeterEvent(db, event)).toMatchObject({
      state: "pending",
      attempts_started: 1,
      attempts_finished: 1,
      first_unknown_at: null,
    });
    expect(await readAttempts(db, event)).toMatchObject([
      { verdict: "retry", code: "held_back", message: expect.stringContaining("refused as a whole") },
    ]);
  }
  const again = await beginAttempts(db, events, { leaseSeconds });
  const idsOf = (some: readonly { meterEventId: string }[]) => some.map(({ meterEventId }) => meterEventId);
  expect(idsOf(again).toSorted()).toEqual(idsOf(events.slice(3)).toSorted());
});

test("of events that are sent apart, each answer tells the bucket: after a 429 the others are put back", async ({
  apart,
}) => {
  const tooMany = refusal(429, { "retry-after": "60" }, { type, message: "Too many requests" });

  const { reasons } = await apart.send(4, each([accepted, tooMany, accepted]));

  expect(reasons).toEqual(["accepted", "rate_limited", "held_back", "held_back"]);
  expect(apart.sent.alone).toBe(2);
  expect(apart.bucket.available()).toBe(0);
});

test("of events that are sent apart, each answer tells the breaker: after a 401 the others are put back", async ({
  apart,
}) => {
  const badKey = refusal(401, {}, { type, message: "Invalid API Key" });

  const { reasons } = await apart.send(4, each([accepted, badKey, accepted]));

  expect(reasons).toEqual(["accepted", "unauthorized", "held_back", "held_back"]);
  expect(apart.sent.alone).toBe(2);
  expect(await apart.breaker.isPaused("temperature_readings")).toBe(true);
});

test("a stop puts back the events that have not been sent alone yet", async ({ apart }) => {
  const stopping = new AbortController();
  const answer = () => {
    stopping.abort();
    return accepted;
  };

  const { reasons } = await apart.send(3, answer, { stopping: stopping.signal });

  expect(reasons).toEqual(["accepted", "held_back", "held_back"]);
  expect(apart.sent.alone).toBe(1);
});
