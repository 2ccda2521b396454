import { sql } from "kysely";
import { expect } from "vitest";
import { cutOver } from "../billing/cut-over.ts";
import type { Db } from "../database/db.ts";
import { readConditions } from "../monitoring/alerts/read-conditions.ts";
import { startHeartbeat } from "../monitoring/heartbeat.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { booksTest as test } from "../testing/fixtures/books-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hourMs, hoursAgo } from "../testing/rows/hours.ts";
import { meterNames, type MeterName } from "../usage/meters.ts";
import { sweep } from "../worker/sweep.ts";
import { billableByDefault } from "../usage/subscription-statuses.ts";

const dayMs = 24 * hourMs;
const shadow = { DELIVERY_TRANSPORT: "none" };

test("beside another path everything is sealed and nothing sent; after the cut only what is later", async ({
  database: { db },
  account,
  road,
  boss,
}) => {
  const { simulator, secretKey } = account;
  const { id, customer } = await road.join();
  const usage = (hours: number, quantity: number) =>
    appendEntries(db, id, [{ at: hoursAgo(hours, 5), quantity }]);
  // A key that may only read is enough.
  simulator.setKey(secretKey, "active", { billing: "read", invoices: "read" });
  const worker = await road.startWorker(shadow);
  for (const hours of [6, 5, 4]) await usage(hours, hours);
  await until(async () => (await readStates(db))["pending"] === 15, { what: "all to be sealed" });
  await cutOver(db, { at: hoursAgo(4), isRehearsal: false, mayMove: false });
  await usage(7, 70);
  await until(async () => (await readStates(db))["superseded"] === 81, { what: "late usage to be sealed" });
  await worker.stop(5_000);
  const sentInShadow = simulator.requests().by_route["POST /v1/billing/meter_events"] ?? 0;
  const jobs = await boss.findJobs("deliver-temperature_readings");
  simulator.setKey(secretKey, "active");
  await road.startWorker();
  await road.untilBilled();

  expect({ sentInShadow, jobs }).toEqual({ sentInShadow: 0, jobs: [] });
  expect(simulator.bill({ customer })).toMatchObject([{ total: "4" }]);
  expect(await readStates(db)).toEqual({ superseded: 81, delivered: 4 });
});

test("however much is undelivered and however old, shadow mode seals on and nothing expires", async ({
  database: { db },
  road,
  boss,
}) => {
  const { log } = createRecordingLog();
  const { id } = await road.join();
  await appendEntries(db, id, [
    { at: new Date(hoursAgo(0).getTime() - 34 * dayMs), quantity: 1 },
    { at: hoursAgo(3), quantity: 2 },
    { at: hoursAgo(2), quantity: 3, meter: "active_sensors" },
    { at: hoursAgo(1), quantity: 4, meter: "active_sensors" },
  ]);
  const sealed = await sealDueEntries({ db, boss }, { meters: meterNames, pendingMax: 1, isShadow: true });
  await sweep(
    { db, boss, log },
    { retryDelay: 1, retryDelayMax: 1, expireInSeconds: 60 },
    { isShadow: true },
  );

  expect(sealed).toMatchObject({ events: 4, stopped: "done" });
  expect(await readStates(db)).toEqual({ pending: 10 });
});

test("metrics and alerts know that nothing is sent on purpose, until a worker sends", async ({
  database: { db },
  books,
}) => {
  const { log } = createRecordingLog();
  await books.addOurs(
    { at: hoursAgo(33 * 24) },
    { state: "pending", attempts_started: 0, attempts_finished: 0 },
  );
  const late = ["MeterOutboxUndeliveredOld", "MeterOutboxUndeliveredTooOld", "MeterOutboxUsageNearExpiry"];
  const alerts = async () =>
    (await readConditions(db, { billableStatuses: billableByDefault }))
      .map(({ rule }) => rule.name)
      .filter((name) => late.includes(name));
  const before = await alerts();
  const quiet = startHeartbeat({ db, log }, { kind: "worker", transport: "none" });
  await until(async () => (await seenWorkers(db)) === 1, { what: "a heartbeat" });
  const inShadow = await alerts();
  const sending = startHeartbeat({ db, log }, { kind: "worker", transport: "sync" });
  await until(async () => (await seenWorkers(db)) === 2, { what: "another heartbeat" });
  const mixed = await alerts();
  await Promise.all([quiet.stop(), sending.stop()]);

  expect({ before, inShadow, mixed }).toEqual({ before: late, inShadow: [], mixed: late });
});

test("our usage is compared with what the other path sent, in shadow mode and after the cut", async ({
  books,
  database: { db },
}) => {
  const unsent = {
    state: "pending",
    attempts_started: 0,
    attempts_finished: 0,
    last_attempt_at: null,
    delivered_at: null,
  };
  const span = { start: hoursAgo(30), end: hoursAgo(3) };
  const window = async (meter: MeterName = "temperature_readings") => {
    const compared = await books.compare(span, { meter });
    return typeof compared === "string"
      ? compared
      : [compared.whole.result, compared.whole.ours, compared.whole.theirs];
  };
  for (const [meter, quantity] of [
    ["temperature_readings", 5],
    ["active_sensors", 7],
  ] as const) {
    await books.addOurs({ at: hoursAgo(9), quantity, meter }, { ...unsent, sealed_at: hoursAgo(8) });
    await books.countTheirs({ at: hoursAgo(9), quantity, meter });
  }
  const asIfSending = await window();
  books.deps.isShadow = true;
  const inShadow = [await window(), await window("active_sensors")];
  await books.countTheirs({ at: hoursAgo(9), quantity: 2 });
  const differing = await window();
  books.deps.isShadow = false;
  await cutOver(db, { at: hoursAgo(1), isRehearsal: false, mayMove: false });

  expect(asIfSending).toEqual(["different", "0", "5"]);
  expect(inShadow).toEqual([
    ["equal", "5", "5"],
    ["equal", "7", "7"],
  ]);
  expect(differing).toEqual(["different", "5", "7"]);
  expect(await window()).toEqual(["different", "5", "7"]);
  expect(await window("active_sensors")).toEqual(["equal", "7", "7"]);
});

/** How much usage is in each state. */
async function readStates(db: Db): Promise<Record<string, number>> {
  const { rows } = await sql<{ state: string; quantity: number }>`
    select state, sum(quantity)::int as quantity from metering.meter_events group by state
  `.execute(db);
  return Object.fromEntries(rows.map(({ state, quantity }) => [state, quantity]));
}

async function seenWorkers(db: Db): Promise<number> {
  const { rows } = await sql`select from metering.processes where kind = 'worker'`.execute(db);
  return rows.length;
}
