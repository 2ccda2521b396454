import { expect } from "vitest";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { type Breaker, createBreaker } from "./breaker.ts";
import { turnMsMax } from "./limits.ts";
import { sendTaken } from "./send-taken.ts";
import { createTokenBucket } from "./token-bucket.ts";
import { unwatched } from "./watch.ts";

const leaseSeconds = 45;
const begunAt = new Date("2026-11-20T10:00:00Z");

type Sent = { waitedMs?: number; breaker?: Partial<Breaker> };

/** Sends the attempt at an event that has waited for its turn; tells how that ended, how many requests went out, and what failed. */
const test = databaseTest.extend("send", async ({ database: { db } }) => async (sent: Sent) => {
  const { waitedMs = 0, breaker } = sent;
  const { log, at: loggedAt } = createRecordingLog();
  const attempts = await beginAttempts(db, [await addMeterEvent(db)], { leaseSeconds });
  let requests = 0;
  let failures = 0;
  const finished = await sendTaken(
    { jobs: attempts.map((attempt) => ({ attempt })), probedScope: undefined, begunAt },
    {
      transport: {
        eventsPerRequestMax: 1,
        send: async () => {
          requests += 1;
          return { kind: "success", httpStatus: 200, requestId: null };
        },
      },
      eventNames: { temperature_readings: "temperature_readings", active_sensors: "active_sensors" },
      now: () => new Date(begunAt.getTime() + waitedMs),
      log,
      breaker: { ...createBreaker({ db, log }, { leaseSeconds }), ...breaker },
      bucket: createTokenBucket(100, () => performance.now()),
      watch: { ...unwatched, onFailed: () => (failures += 1) },
      leaseSeconds,
      stopping: new AbortController().signal,
    },
  );
  return {
    reasons: finished.map(({ outcome }) => outcome.reason),
    requests,
    failures,
    told: loggedAt("error").map(({ event }) => event),
  };
});

const nothing = { failures: 0, told: [] };
const once = { failures: 1, told: ["breaker_failed"] };
const refuse = () => Promise.reject(new Error("the database is away"));

test("an attempt that waited for its turn goes out", async ({ send }) => {
  const waitedMs = turnMsMax(leaseSeconds);
  expect(await send({ waitedMs })).toEqual({ ...nothing, reasons: ["accepted"], requests: 1 });
});

test("an attempt that waited until another worker might begin the next one is not made", async ({ send }) => {
  const waitedMs = turnMsMax(leaseSeconds) + 1;
  expect(await send({ waitedMs })).toEqual({ ...nothing, reasons: ["held_back"], requests: 0 });
});

test("where the pauses cannot be read, the attempt is not made, and that is told", async ({ send }) => {
  const held = { reasons: ["held_back"], requests: 0 };
  expect(await send({ breaker: { isPaused: refuse } })).toEqual({ ...once, ...held });
});

test("where a pause cannot be written, the attempt's outcome is kept, and that is told", async ({ send }) => {
  const accepted = { reasons: ["accepted"], requests: 1 };
  expect(await send({ breaker: { observe: refuse } })).toEqual({ ...once, ...accepted });
});
