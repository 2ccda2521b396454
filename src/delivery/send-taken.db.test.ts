import { expect } from "vitest";
import { databaseTest } from "../testing/postgres/database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { createBreaker } from "./breaker.ts";
import { turnMsMax } from "./limits.ts";
import { sendTaken } from "./send-taken.ts";
import { createTokenBucket } from "./token-bucket.ts";
import { unwatched } from "./watch.ts";

const leaseSeconds = 45;
const begunAt = new Date("2026-11-20T10:00:00Z");

/** Sends the attempt at an event that has waited for its turn for so long; tells how that ended and how many requests went out. */
const test = databaseTest.extend("sendAfter", async ({ database: { db } }) => async (waitedMs: number) => {
  const { log } = createRecordingLog();
  const attempts = await beginAttempts(db, [await addMeterEvent(db)], { leaseSeconds });
  let requests = 0;
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
      breaker: createBreaker({ db, log }, { leaseSeconds }),
      bucket: createTokenBucket(100, () => performance.now()),
      watch: unwatched,
      stopping: new AbortController().signal,
    },
  );
  return { reasons: finished.map(({ outcome }) => outcome.reason), requests };
});

test("an attempt that waited for its turn goes out", async ({ sendAfter }) => {
  expect(await sendAfter(turnMsMax)).toEqual({ reasons: ["accepted"], requests: 1 });
});

test("an attempt that waited until Stripe may have forgotten its identifier is not made", async ({
  sendAfter,
}) => {
  expect(await sendAfter(turnMsMax + 1)).toEqual({ reasons: ["held_back"], requests: 0 });
});
