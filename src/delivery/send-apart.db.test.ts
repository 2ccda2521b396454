import { expect } from "vitest";
import { refusal } from "../stripe/answer.ts";
import type { StripeAnswer } from "../stripe/answer.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { beginAttempts } from "./begin-attempts.ts";
import { createBreaker } from "./breaker.ts";
import { sendTaken } from "./send-taken.ts";
import { createTokenBucket } from "./token-bucket.ts";
import { unwatched } from "./watch.ts";

const leaseSeconds = 45;
const type = "invalid_request_error";
const refused = refusal(400, {}, { code: "invalid_fields", message: "not well-formed" });
const accepted: StripeAnswer = { kind: "success", httpStatus: 200, requestId: null };

test("of events that were sent apart after a refusal, each answer tells bucket and breaker, not the first alone", async ({
  database: { db },
}) => {
  const { log } = createRecordingLog();
  const breaker = createBreaker({ db, log }, { leaseSeconds });
  const bucket = createTokenBucket(100, () => performance.now());
  const events = [await addMeterEvent(db), await addMeterEvent(db), await addMeterEvent(db)];
  const attempts = await beginAttempts(db, events, { leaseSeconds });
  const apart = [
    accepted,
    refusal(429, { "retry-after": "60" }, { type, message: "Too many requests" }),
    refusal(401, {}, { type, message: "Invalid API Key" }),
  ];

  const finished = await sendTaken(
    { jobs: attempts.map((attempt) => ({ attempt })), probedScope: undefined, begunAt: new Date() },
    {
      transport: {
        eventsPerRequestMax: 100,
        send: async ({ length }) => (length > 1 ? refused : (apart.shift() ?? refused)),
      },
      eventNames: { temperature_readings: "temperature_readings", active_sensors: "active_sensors" },
      now: () => new Date(),
      log,
      breaker,
      bucket,
      watch: unwatched,
      stopping: new AbortController().signal,
    },
  );

  expect(finished.map(({ outcome }) => outcome.reason)).toEqual(["accepted", "rate_limited", "unauthorized"]);
  expect(bucket.available()).toBe(0);
  expect(await breaker.isPaused("temperature_readings")).toBe(true);
});
