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
  await addPending(db, acme, 9_990);
  const hours = Array.from({ length: 20 }, (_, n) => 22 - n);
  await appendHours(db, acme, hours);
  await addBroken(db);
  const { log, events } = createRecordingLog();
  const told = (name: string) => events.filter(({ event }) => event === name);
  const toldSealed = () => told("entries_sealed").reduce((sum, one) => sum + Number(one["events"]), 0);

  await workSealQueue({ db, boss, log }, hourly);
  await remindToSeal(boss, { afterSeconds: 0 });
  await until(() => told("seal_held_back").length > 0, { what: "the seal to be held back" });
  await deliverSome(db, 9_990);
  await until(() => toldSealed() >= hours.length, { what: "the seal to end" });

  expect(await sealed(db)).toEqual(hours.map((hour) => hoursAgo(hour)));
  expect(toldSealed()).toBe(hours.length);
  expect(told("job_failed").length).toBeGreaterThan(0);
});

test.for([
  ["failed", refuseEvents, []],
  ["left an organization out", addBroken, [hoursAgo(1)]],
] as const)(
  "a seal that %s is tried again in half a minute, not in an hour",
  async ([, spoil, hours], { database: { db }, boss }) => {
    const acme = await addOrganization(db, { customer: "cus_acme" });
    await appendHours(db, acme, [1]);
    await spoil(db);
    const { log, events } = createRecordingLog();

    await workSealQueue({ db, boss, log }, hourly);
    await remindToSeal(boss, { afterSeconds: 0 });
    await until(() => events.some(({ event }) => event === "job_failed"), { what: "the seal to fail" });

    expect(await sealed(db)).toEqual(hours);
    await until(async () => (await readWaitSeconds(boss)).some((seconds) => seconds > 0 && seconds <= 30), {
      what: "the next seal to wait for half a minute",
    });
  },
);

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
  return (await readWaitSeconds(boss)).some((seconds) => seconds > 1_800);
}

/** How long the seal's next jobs wait. */
async function readWaitSeconds(boss: PgBoss): Promise<number[]> {
  const waiting = await boss.findJobs(sealQueue.name, { queued: true });
  return waiting.map(({ startAfter }) => (startAfter.getTime() - Date.now()) / 1_000);
}

/** An organization with hours to seal of which no meter event is accepted. */
async function addBroken(db: Db): Promise<void> {
  const broken = await addOrganization(db, { customer: "cus_broken" });
  await appendHours(db, broken, [2, 1]);
  await sql`
    alter table metering.meter_events add constraint broken check (organization_id <> ${sql.lit(broken)}::uuid)
  `.execute(db);
}

/** Refuses all meter events, for a reason that is not their rows. */
async function refuseEvents(db: Db): Promise<void> {
  await sql`
    create function metering.refuse() returns trigger language plpgsql as
      $$ begin raise exception 'refused for the test' using errcode = 'insufficient_resources'; end $$
  `.execute(db);
  await sql`
    create trigger refuse before insert on metering.meter_events for each row execute function metering.refuse()
  `.execute(db);
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
