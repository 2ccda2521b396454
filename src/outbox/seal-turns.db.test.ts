import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { sealQueue } from "../queue/queues.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { until } from "../testing/processes/until.ts";
import { appendEntries, appendHours } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { countDone } from "../testing/rows/queue-rows.ts";
import { meterNames } from "../usage/meters.ts";
import { reportUnsealed } from "./report.ts";
import { remindToSeal, workSealQueue } from "./seal-job.ts";

const hourly = { intervalSeconds: 3_600, openMeters: () => Promise.resolve(meterNames) };

test("a seal that was held back goes on as soon as there is room, leaves what happened meanwhile, and says once that it waits", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await addPending(db, acme, 10_000);
  await appendHours(db, acme, [1]);
  const { log, events } = createRecordingLog();
  const told = () => events.filter(({ event }) => event === "seal_held_back");

  await workSealQueue({ db, boss, log }, hourly);
  await remindToSeal(boss, { afterSeconds: 0 });
  await until(async () => (await countDone(boss, sealQueue.name)) > 2, {
    what: "the seal to be held back again and again",
  });
  await appendNow(db, acme);
  await deliverSome(db, 2_000);
  const before = await countDone(boss, sealQueue.name);
  await until(async () => (await countDone(boss, sealQueue.name)) > before + 1, {
    what: "seals with too little room",
  });
  expect(await sealed(db)).toEqual([]);

  await deliverSome(db, 600);
  await until(() => isDoneForThisTurn(boss), { what: "the seal to end" });

  expect(await sealed(db)).toEqual([hoursAgo(1)]);
  expect(await reportUnsealed(db)).toMatchObject({ entries: 1 });
  expect(told()).toEqual([{ event: "seal_held_back", meters: ["temperature_readings"] }]);
});

test("a seal that ended for its time goes on at once, and leaves what happened meanwhile", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const hours = Array.from({ length: 20 }, (_, n) => 22 - n);
  await appendHours(db, acme, hours);
  const { log } = createRecordingLog();

  await workSealQueue({ db, boss, log }, { ...hourly, secondsMax: 0 });
  await remindToSeal(boss, { afterSeconds: 0 });
  await until(async () => (await sealed(db)).length > 0, { what: "the first slices" });
  await appendNow(db, acme);
  await until(() => isDoneForThisTurn(boss), { what: "the seal to end" });

  expect(await sealed(db)).toEqual(hours.map((hour) => hoursAgo(hour)));
  expect(await reportUnsealed(db)).toMatchObject({ entries: 1 });
});

test("a seal that was held back goes on where an organization's rows fail, and tells what the others sealed", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const broken = await addOrganization(db, { customer: "cus_broken" });
  await addPending(db, acme, 9_990);
  const hours = Array.from({ length: 20 }, (_, n) => 22 - n);
  for (const organization of [broken, acme]) await appendHours(db, organization, hours);
  await sql`
    alter table metering.meter_events add constraint broken check (organization_id <> ${sql.lit(broken)}::uuid)
  `.execute(db);
  const { log, events } = createRecordingLog();
  const told = (name: string) => events.filter(({ event }) => event === name);

  await workSealQueue({ db, boss, log }, hourly);
  await remindToSeal(boss, { afterSeconds: 0 });
  await until(() => told("seal_held_back").length > 0, { what: "the seal to be held back" });
  await deliverSome(db, 9_990);
  await until(() => isDoneForThisTurn(boss), { what: "the seal to end" });

  expect(await sealed(db)).toEqual(hours.map((hour) => hoursAgo(hour)));
  const counts = told("entries_sealed").map((one) => Number(one["events"]));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(hours.length);
  expect(told("job_failed").length).toBeGreaterThan(0);
});

test.for([
  ["an hour that no longer is", { cutOff: hoursAgo(5), heldBack: [], nextTurnAt: hoursAgo(1) }],
  ["a turn later than the interval", { cutOff: hoursAgo(5), heldBack: [], nextTurnAt: hoursAgo(-9) }],
  ["a time that is none", { cutOff: "yesterday", heldBack: [], nextTurnAt: hoursAgo(-1) }],
  ["a meter that is none", { cutOff: hoursAgo(5), heldBack: ["doors"], nextTurnAt: hoursAgo(-1) }],
  ["not an object", 7],
] as const)(
  "a reminder that goes on with %s begins a turn of its own",
  async ([, goesOn], { database, boss }) => {
    const { db } = database;
    const acme = await addOrganization(db, { customer: "cus_acme" });
    await appendHours(db, acme, [1]);

    await workSealQueue({ db, boss, log: createRecordingLog().log }, hourly);
    await boss.send(sealQueue.name, { goesOn });

    await until(async () => (await sealed(db)).length > 0, { what: "the entry to be sealed" });
  },
);

/** Whether the seal's next job waits for the next turn. */
async function isDoneForThisTurn(boss: PgBoss): Promise<boolean> {
  const waiting = await boss.findJobs(sealQueue.name, { queued: true });
  return waiting.some(({ startAfter }) => startAfter.getTime() > Date.now() + 1_800_000);
}

/** The hours of the events that were sealed, apart from those of `addPending`. */
async function sealed(db: Db): Promise<Date[]> {
  return (await readMeterEvents(db)).filter(({ quantity }) => quantity === 1).map(({ hour }) => hour);
}

/** Undelivered meter events of one organization, without jobs; their quantity is 7. */
async function addPending(db: Db, organizationId: string, count: number): Promise<void> {
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
    select ${organizationId}, metering.uuid_v7(clock_timestamp()), 'temperature_readings', h.hour, 7, h.hour, 1, 'cus_acme'
    from generate_series(1, ${count}::int) n
    cross join lateral (select date_trunc('hour', now()) - n % 700 * interval '1 hour' as hour) h
  `.execute(db);
}

async function deliverSome(db: Db, count: number): Promise<void> {
  await sql`
    update metering.meter_events set state = 'delivered', delivered_at = now()
    where id in (select id from metering.meter_events where state = 'pending' limit ${count})
  `.execute(db);
}

function appendNow(db: Db, organization: string): Promise<void> {
  return appendEntries(db, organization, [{ at: new Date(), quantity: 1 }]);
}
