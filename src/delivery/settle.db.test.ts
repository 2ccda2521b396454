import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { silentLog } from "../log.ts";
import { hurryReminders } from "../queue/deliver-job.ts";
import type { StripeAnswer } from "../stripe/answer.ts";
import {
  addDueEvent,
  ago,
  hurryDeliverJobs,
  minuteMs,
  readAttempts,
  readDeliverJobs,
  readMeterEvent,
} from "../testing/rows/meter-events.ts";
import { roadTest } from "../testing/fixtures/road-fixture.ts";
import type { MeterEventKey } from "../usage/meter-event-key.ts";
import { outcomeOf } from "./outcome.ts";
import { type FinishedAttempt, settleAttempts } from "./settle.ts";
import { type TakenJob, takeJobs } from "./take-jobs.ts";
import { verdictOf } from "./verdict.ts";

const meter = "temperature_readings";
const hourMs = 60 * minuteMs;

type ErrorAnswer = Extract<StripeAnswer, { kind: "error" }>;
const refusal = (
  httpStatus: number,
  message = "Refused.",
  change: Partial<ErrorAnswer> = {},
): StripeAnswer => ({
  kind: "error",
  httpStatus,
  code: null,
  type: "invalid_request_error",
  message,
  requestId: "req_7",
  rateLimitedReason: null,
  retryAfterMs: null,
  ...change,
});
const accepted: StripeAnswer = { kind: "success", httpStatus: 200, requestId: "req_7" };
const duplicate = refusal(400, "An event already exists with identifier x.");
const serverError = refusal(500, "Oops.");
const conflict = refusal(409);
const wrongKey = refusal(401, "Invalid API Key provided.");
const silence: StripeAnswer = {
  kind: "no_answer",
  reachedStripe: "maybe",
  code: "ETIMEDOUT",
  message: "Timed out.",
};

/** The ended attempt after this answer. */
function finish({ attempt, job }: TakenJob, answer: StripeAnswer): FinishedAttempt {
  const verdict = verdictOf(answer);
  const outcome = outcomeOf(verdict, { firstUnknownAt: attempt.firstUnknownAt, now: new Date() });
  return { attempt, job, durationMs: 12.6, answer, verdict, outcome };
}

function createDesk({ db, boss }: { db: Db; boss: PgBoss }) {
  /** Takes the due jobs; `leaseSeconds` 0 counts attempts under way as lost. */
  async function take({ room = 100, leaseSeconds = 45 } = {}): Promise<TakenJob[]> {
    const { taken } = await takeJobs({ db, boss, log: silentLog }, meter, { room, leaseSeconds });
    return taken;
  }

  async function takeOne(options: { leaseSeconds?: number } = {}): Promise<TakenJob> {
    await hurryDeliverJobs(db);
    const [taken] = await take({ room: 1, ...options });
    if (taken === undefined) throw new Error("there was nothing to take");
    return taken;
  }
  return {
    take,
    takeOne,
    /** Writes an event, with the job that reminds of it. */
    addEvent: (change?: Parameters<typeof addDueEvent>[1]) => addDueEvent({ db, boss }, change),
    settle: (...finished: FinishedAttempt[]) => settleAttempts({ db, boss }, finished),
    /** Takes the event's job, attempts it with this answer, and settles. */
    attempt: async (answer: StripeAnswer) => settleAttempts({ db, boss }, [finish(await takeOne(), answer)]),
    event: (key: MeterEventKey) => readMeterEvent(db, key),
    attempts: (key: MeterEventKey) => readAttempts(db, key),
    jobs: (key: MeterEventKey) => readDeliverJobs(db, key),
  };
}

const test = roadTest.extend("desk", async ({ database: { db }, boss }) => createDesk({ db, boss }));

test("a delivered event is settled, recorded and not reminded of again", async ({ desk }) => {
  const key = await desk.addEvent();

  expect(await desk.attempt(accepted)).toEqual(new Set([key.meterEventId]));

  expect(await desk.event(key)).toMatchObject({
    state: "delivered",
    reason: "accepted",
    delivered_at: expect.any(Date) as unknown,
    attempts_started: 1,
    attempts_finished: 1,
    last_error: null,
  });
  expect(await desk.attempts(key)).toMatchObject([
    {
      attempt: 1,
      verdict: "delivered",
      http_status: 200,
      stripe_request_id: "req_7",
      duration_ms: 13,
      message: null,
    },
  ]);
  expect(await desk.jobs(key)).toEqual([]);
});

test("events that have failed go behind those that are sent for the first time, unless they are hurried", async ({
  desk,
  boss,
}) => {
  const failed = await desk.addEvent();
  const hurried = await desk.addEvent({ stripe_customer_id: "cus_hurried" });
  await hurryReminders(boss, meter, [hurried.meterEventId]);
  await desk.settle(...(await desk.take()).map((one) => finish(one, conflict)));
  const first = await desk.addEvent({ stripe_customer_id: "cus_first" });

  const order = [];
  for (let n = 0; n < 3; n += 1) order.push((await desk.takeOne()).attempt.meterEventId);

  expect(order).toEqual([hurried, first, failed].map(({ meterEventId }) => meterEventId));
});

test("a refused event is rejected with Stripe's own words", async ({ desk }) => {
  const key = await desk.addEvent();

  await desk.attempt(refusal(400, "Value is no number.", { code: "payload_invalid_value" }));

  expect(await desk.event(key)).toMatchObject({
    state: "rejected",
    reason: "refused_by_stripe",
    last_error: "Value is no number.",
    delivered_at: null,
  });
  expect(await desk.attempts(key)).toMatchObject([
    { verdict: "rejected", http_status: 400, code: "payload_invalid_value", message: "Value is no number." },
  ]);
  expect(await desk.jobs(key)).toEqual([]);
});

test("every attempt is kept, with when it began and what became of it", async ({ desk }) => {
  const key = await desk.addEvent();

  const begun: unknown[] = [];
  for (const answer of [serverError, silence, refusal(429, "x".repeat(5_000)), duplicate]) {
    await desk.attempt(answer);
    begun.push((await desk.event(key))?.last_attempt_at);
  }

  const attempts = await desk.attempts(key);
  expect(attempts.map(({ started_at }) => started_at)).toEqual(begun);
  expect(attempts).toMatchObject([
    { attempt: 1, verdict: "unknown", http_status: 500, message: "Oops.", stripe_request_id: "req_7" },
    { attempt: 2, verdict: "unknown", http_status: null, code: "ETIMEDOUT", stripe_request_id: null },
    { attempt: 3, verdict: "retry", http_status: 429, message: "x".repeat(1_000) },
    { attempt: 4, verdict: "delivered", http_status: 400 },
  ]);
  expect(await desk.event(key)).toMatchObject({
    state: "delivered",
    reason: "duplicate",
    attempts_finished: 4,
    last_error: "x".repeat(1_000),
  });
});

test("failures put the job off, twice as long each time", async ({ desk }) => {
  const key = await desk.addEvent();

  for (const [fromMs, toMs] of [
    [5_000, 10_000],
    [10_000, 20_000],
    [20_000, 40_000],
  ] as const) {
    const beganAtMs = performance.now();
    await desk.attempt(serverError);
    const [job, ...others] = await desk.jobs(key);
    const sinceMs = performance.now() - beganAtMs;
    expect(others).toEqual([]);
    expect(job?.state).toBe("retry");
    expect(job?.dueInMs).toBeGreaterThan(fromMs - sinceMs);
    expect(job?.dueInMs).toBeLessThanOrEqual(toMs);
  }
});

test("a failure of the account gives the event a fresh job, that waits for nothing but the pause", async ({
  desk,
}) => {
  const key = await desk.addEvent();
  await desk.attempt(serverError);
  await desk.attempt(serverError);

  await desk.attempt(wrongKey);

  const jobs = await desk.jobs(key);
  expect(jobs.map(({ state, retryCount }) => [state, retryCount])).toEqual([["created", 0]]);
  expect(jobs[0]?.dueInMs).toBeLessThanOrEqual(0);
});

test("a worker that overslept its lease changes nothing", async ({ desk, boss, database: { db } }) => {
  const key = await desk.addEvent();
  const overslept = await desk.takeOne();
  // pg-boss does this when the lease is over.
  await boss.fail(`deliver-${meter}`, overslept.job?.id ?? "");
  const later = await desk.takeOne({ leaseSeconds: 0 });
  const before = await readMeterEvent(db, key);

  expect(await desk.settle(finish(overslept, refusal(400)))).toEqual(new Set());

  expect(await desk.event(key)).toEqual(before);
  expect(await desk.attempts(key)).toEqual([]);
  expect(await desk.jobs(key)).toMatchObject([{ state: "active" }]);
  await desk.settle(finish(later, accepted));
  expect(await desk.event(key)).toMatchObject({ state: "delivered", attempts_finished: 2 });
  expect(await desk.attempts(key)).toMatchObject([{ attempt: 2 }]);
});

test("an attempt and the one that overtook it may be settled together", async ({ desk, boss }) => {
  const key = await desk.addEvent();
  const overslept = await desk.takeOne();
  await boss.fail(`deliver-${meter}`, overslept.job?.id ?? "");
  const later = await desk.takeOne({ leaseSeconds: 0 });

  await desk.settle(finish(overslept, refusal(400)), finish(later, serverError));

  expect(await desk.event(key)).toMatchObject({ state: "pending", reason: "server_error" });
  expect(await desk.attempts(key)).toMatchObject([{ attempt: 2 }]);
});

test.for([
  ["a delivered event", accepted],
  ["an event that is tried again", serverError],
  ["an event that waits for a pause", wrongKey],
] as const)("settling %s twice changes nothing the second time", async ([, answer], { desk }) => {
  const key = await desk.addEvent();
  const finished = finish(await desk.takeOne(), answer);
  await desk.settle(finished);
  const before = [
    await desk.event(key),
    await desk.attempts(key),
    (await desk.jobs(key)).map(({ id }) => id),
  ];

  expect(await desk.settle(finished)).toEqual(new Set());

  expect([
    await desk.event(key),
    await desk.attempts(key),
    (await desk.jobs(key)).map(({ id }) => id),
  ]).toEqual(before);
});

test.for([accepted, duplicate])(
  "an event in doubt whose attempt ends well after all is delivered",
  async (answer, { desk, database: { db } }) => {
    const key = await desk.addEvent();
    const slow = await desk.takeOne();
    await db.updateTable("meter_events").set({ state: "in_doubt", reason: "identifier_too_old" }).execute();

    expect(await desk.settle(finish(slow, answer))).toHaveProperty("size", 1);

    expect(await desk.event(key)).toMatchObject({
      state: "delivered",
      delivered_at: expect.any(Date) as unknown,
    });
  },
);

test.for([serverError, silence, refusal(400), conflict, wrongKey])(
  "an event in doubt whose attempt tells anything else stays in doubt",
  async (answer, { desk, database: { db } }) => {
    const key = await desk.addEvent();
    const slow = await desk.takeOne();
    await db.updateTable("meter_events").set({ state: "in_doubt", reason: "identifier_too_old" }).execute();

    expect(await desk.settle(finish(slow, answer))).toEqual(new Set());

    expect(await desk.event(key)).toMatchObject({ state: "in_doubt", reason: "identifier_too_old" });
    expect((await desk.jobs(key)).filter(({ state }) => state === "active")).toEqual([]);
  },
);

test.for(["delivered", "rejected", "expired", "superseded"] as const)(
  "an attempt that ends late takes no event out of the state %s",
  async (state, { desk, database: { db } }) => {
    const key = await desk.addEvent();
    const slow = await desk.takeOne();
    await db.updateTable("meter_events").set({ state }).execute();

    expect(await desk.settle(finish(slow, serverError))).toEqual(new Set());
    expect(await desk.settle(finish(slow, accepted))).toEqual(new Set());

    expect((await desk.event(key)).state).toBe(state);
  },
);

test.for([conflict, refusal(429), wrongKey, refusal(400)])(
  "a certain failure leaves no doubt behind when nothing was in doubt before",
  async (answer, { desk }) => {
    const key = await desk.addEvent();

    await desk.attempt(answer);

    expect((await desk.event(key)).first_unknown_at).toBeNull();
  },
);

test.for([conflict, refusal(429), wrongKey, refusal(400), serverError])(
  "no later failure clears the doubt that an earlier attempt left",
  async (answer, { desk }) => {
    const key = await desk.addEvent();
    await desk.attempt(silence);
    const { first_unknown_at: inDoubtSince, first_attempt_at: firstAt } = await desk.event(key);
    expect(inDoubtSince).toEqual(firstAt);

    await desk.attempt(answer);

    expect((await desk.event(key)).first_unknown_at).toEqual(inDoubtSince);
  },
);

test("an attempt that was lost with its worker leaves doubt behind, whatever the next one tells", async ({
  desk,
  boss,
}) => {
  const key = await desk.addEvent();
  const lost = await desk.takeOne();
  await boss.fail(`deliver-${meter}`, lost.job?.id ?? "");

  const next = await desk.takeOne({ leaseSeconds: 0 });
  await desk.settle(finish(next, conflict));

  expect(await desk.event(key)).toMatchObject({
    first_unknown_at: lost.attempt.firstUnknownAt,
    attempts_started: 2,
    attempts_finished: 2,
  });
});

test("an unknown outcome 23 hours after the first is in doubt, and its job is done", async ({ desk }) => {
  const key = await desk.addEvent({
    first_unknown_at: ago(23 * hourMs - 60_000),
    first_attempt_at: ago(24 * hourMs),
  });
  const taken = await desk.takeOne();
  const overdue = { ...taken.attempt, firstUnknownAt: ago(23 * hourMs) };

  await desk.settle(finish({ ...taken, attempt: overdue }, silence));

  expect(await desk.event(key)).toMatchObject({ state: "in_doubt", reason: "identifier_too_old" });
  expect(await desk.jobs(key)).toEqual([]);
});

test("one attempt of a batch that was overtaken holds up none of the others", async ({
  desk,
  database: { db },
}) => {
  const keys = [];
  for (let i = 0; i < 3; i += 1) keys.push(await desk.addEvent({ stripe_customer_id: `cus_${i}` }));
  const taken = await desk.take();
  const [overtaken] = taken;
  await db
    .updateTable("meter_events")
    .set({ attempts_started: 2 })
    .where("id", "=", overtaken?.attempt.meterEventId ?? "")
    .execute();

  const settled = await desk.settle(...taken.map((one) => finish(one, accepted)));

  expect(settled.size).toBe(2);
  const states = await Promise.all(keys.map(async (key) => (await desk.event(key)).state));
  expect(states.toSorted()).toEqual(["delivered", "delivered", "pending"]);
});
