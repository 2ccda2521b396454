import { expect } from "vitest";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { addDueEvent, readMeterEvent } from "../testing/rows/meter-events.ts";
import { eachOnItsNode, takeNodeAway } from "../testing/rows/node-away.ts";
import type { FinishedAttempt } from "./settle.ts";
import { createSettler } from "./settler.ts";
import { type TakenJob, takeJobs } from "./take-jobs.ts";

const meter = "temperature_readings";
const options = { room: 10, leaseSeconds: 45 };

test("a node that is away holds up the attempts and outcomes of its own organizations only", async ({
  database: { db },
  boss,
}) => {
  const { log, at } = createRecordingLog();
  const keys = [];
  for (const customer of ["cus_a", "cus_b", "cus_c"]) {
    keys.push(await addDueEvent({ db, boss }, { stripe_customer_id: customer }));
  }
  const shards = eachOnItsNode(keys.map(({ organizationId }) => organizationId));
  const [away, ...others] = keys;
  if (away === undefined) throw new Error("no event was added");
  const bringBack = await takeNodeAway(db, away.organizationId);

  const { jobs, taken } = await takeJobs({ db, boss, log, shards }, meter, options);

  expect(jobs).toBe(3);
  const takenIds = taken.map(({ attempt }) => attempt.meterEventId);
  expect(takenIds.toSorted()).toEqual(others.map(({ meterEventId }) => meterEventId).toSorted());
  expect(at("error")).toMatchObject([{ event: "shards_failed", meter, count: 1 }]);
  await bringBack();
  // Its job was given back, and its attempt was not counted.
  expect(await readMeterEvent(db, away)).toMatchObject({ state: "pending", attempts_started: 0 });

  const [one, other] = taken;
  if (one === undefined || other === undefined) throw new Error("too few attempts were begun");
  const bringOneBack = await takeNodeAway(db, one.attempt.organizationId);
  const settler = createSettler({ db, boss, log, shards });
  const held = settler.settle(delivered(one));
  await settler.settle(delivered(other));
  expect(await readMeterEvent(db, other.attempt)).toMatchObject({ state: "delivered" });
  expect(await readMeterEvent(db, one.attempt)).toMatchObject({ state: "pending" });
  await bringOneBack();
  await held;
  expect(await readMeterEvent(db, one.attempt)).toMatchObject({ state: "delivered" });
});

function delivered({ attempt, job }: TakenJob): FinishedAttempt {
  return {
    attempt,
    job,
    durationMs: 1,
    answer: { kind: "success", httpStatus: 200, requestId: "req_1" },
    verdict: { kind: "delivered", isDuplicate: false },
    outcome: { state: "delivered", reason: "accepted" },
  };
}
