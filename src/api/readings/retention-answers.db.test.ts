import { sql } from "kysely";
import { expect } from "vitest";
import { addMonths, startOfMonth } from "../../database/months.ts";
import { dropDuePartitions } from "../../database/retention.ts";
import type { Db } from "../../database/db.ts";
import { readUsage } from "../../outbox/usage.ts";
import { withoutTriggers } from "../../testing/postgres/without-triggers.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import {
  monthsAgo,
  openOldMonths,
  present,
  sealAndDeliverOld,
  takeInOld,
} from "../../testing/rows/old-usage.ts";
import { roadTest } from "../../testing/fixtures/road-fixture.ts";

const hourMs = 3_600_000;

/** Usage of a year ago and of now, all delivered. Two hours, three entries of one customer. */
const test = roadTest.extend("old", async ({ database: { db }, boss, api }) => {
  await openOldMonths(db, 13);
  const { id: organizationId, key } = await api.join(["read"]);
  await linkCustomer(db, organizationId, { customer: "cus_1" });
  const longAgo = monthsAgo(12);
  const usage = [
    { at: longAgo, readings: 3 },
    { at: new Date(longAgo.getTime() + 60_000), readings: 1 },
    { at: new Date(longAgo.getTime() + hourMs), readings: 2 },
    { at: monthsAgo(1), readings: 5 },
  ];
  await takeInOld(db, usage, organizationId);
  await sealAndDeliverOld({ db, boss });
  const drop = async (tables: { readings?: number; meter_outbox?: number; delivery_attempts?: number }) => {
    const days = { readings: undefined, meter_outbox: undefined, delivery_attempts: undefined, ...tables };
    await dropDuePartitions(db, { now: present, days });
  };
  return { organizationId, longAgo, key, drop, event: await oldestEvent(db) };
});

/** The end of the last month that ended more than 200 days ago. */
const keptFrom = startOfMonth(new Date(present.getTime() - 200 * 86_400_000)).toISOString();

test.for([
  { granularity: "hour", timeZone: "UTC" },
  { granularity: "day", timeZone: "Asia/Tokyo" },
  { granularity: "month", timeZone: "America/New_York" },
] as const)(
  "usage by $granularity in $timeZone is the same when its entries are gone",
  async ({ granularity, timeZone }, { old, database: { db } }) => {
    const from = new Date(old.longAgo.getTime() - 10 * 24 * hourMs);
    const to = granularity === "month" ? present : new Date(from.getTime() + 20 * 24 * hourMs);
    const query = { meter: "temperature_readings", from, to, granularity, timeZone, keptFrom: null } as const;
    const before = await readUsage(db, old.organizationId, query);
    expect(before.reduce((sum, { delivered }) => sum + delivered, 0)).toBe(granularity === "month" ? 11 : 6);

    await old.drop({ meter_outbox: 200 });

    const after = await readUsage(db, old.organizationId, { ...query, keptFrom: new Date(keptFrom) });
    expect(after).toEqual(before);
  },
);

test("usage of a gauge is its latest value, also when its entries are gone", async ({
  old,
  boss,
  database: { db },
}) => {
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
    select ${old.organizationId}, at, metering.uuid_v7(at), 'active_sensors', quantity
    from (values (${old.longAgo}::timestamptz, 9), (${old.longAgo}::timestamptz + interval '1 hour', 4)) v (at, quantity)
  `.execute(db);
  await sealAndDeliverOld({ db, boss });
  const query = {
    meter: "active_sensors",
    from: startOfMonth(old.longAgo),
    to: addMonths(old.longAgo, 1),
    granularity: "month",
    timeZone: "UTC",
  } as const;

  await old.drop({ meter_outbox: 200 });

  const usage = await readUsage(db, old.organizationId, { ...query, keptFrom: new Date(keptFrom) });
  expect(usage).toMatchObject([{ quantity: 4, delivered: 4 }]);
});

test("usage says from when on entries are kept", async ({ old, api }) => {
  const path = `/v1/usage?meter=temperature_readings&granularity=month&from=${encoded(old.longAgo)}&to=${encoded(present)}`;
  expect(await api.ask("GET", path, { token: old.key })).toMatchObject({ body: { entries_kept_from: null } });

  await old.drop({ meter_outbox: 200 });

  const { body } = await api.ask("GET", path, { token: old.key });
  expect(body).toMatchObject({ entries_kept_from: keptFrom });
});

test("a reading whose entry is gone says so, and the others lead to their meter events", async ({
  old,
  api,
}) => {
  await old.drop({ meter_outbox: 200 });

  const { body } = await api.ask("GET", "/v1/readings", { token: old.key });

  const data = body["data"] as { meter_event_id: string | null; entry_dropped: boolean }[];
  const told = data.map((one) => [one.meter_event_id === null, one.entry_dropped]);
  expect(told.filter(([isNull, isDropped]) => isNull && isDropped)).toHaveLength(6);
  expect(told.filter(([isNull, isDropped]) => !isNull && !isDropped)).toHaveLength(5);
  expect(body).toMatchObject({ readings_kept_from: null });
});

test("readings that are gone are not listed, and the list says since when there are any", async ({
  old,
  api,
}) => {
  await old.drop({ readings: 200 });

  const { body } = await api.ask("GET", "/v1/readings", { token: old.key });
  const path = `/v1/meter-events/${old.event}/readings`;
  const ofEvent = await api.ask("GET", path, { token: api.adminToken });

  expect(body["data"]).toHaveLength(5);
  expect(body).toMatchObject({ readings_kept_from: keptFrom });
  expect(ofEvent).toMatchObject({ status: 200, body: { data: [], readings_kept_from: keptFrom } });
});

test("a meter event outlives its entries and attempts, and tells what is gone", async ({ old, api }) => {
  const path = `/v1/meter-events/${old.event}`;
  const before = await api.ask("GET", path, { token: api.adminToken });
  expect(before.body).toMatchObject({ attempts: [{ attempt: 1 }], entries: [{}, {}], dropped: [] });

  await old.drop({ meter_outbox: 200, delivery_attempts: 200 });

  const after = await api.ask("GET", path, { token: api.adminToken });
  expect(after.body).toEqual({ ...before.body, attempts: [], entries: [], dropped: ["attempts", "entries"] });
  expect(await api.ask("GET", `${path}/readings`, { token: api.adminToken })).toMatchObject({
    status: 410,
    body: { code: "entries_dropped" },
  });
});

test("a meter event that carries forward usage of a month that is gone tells so", async ({
  old,
  api,
  database: { db },
}) => {
  const path = `/v1/meter-events/${await carryToLastMonth(db, old.event)}`;
  const before = await api.ask("GET", path, { token: api.adminToken });
  expect(before.body).toMatchObject({ entries: [{}, {}], dropped: [] });

  await old.drop({ meter_outbox: 200 });

  const after = await api.ask("GET", path, { token: api.adminToken });
  expect(after.body).toMatchObject({ entries: [], dropped: ["entries"] });
  expect(await api.ask("GET", `${path}/readings`, { token: api.adminToken })).toMatchObject({
    status: 410,
    body: { code: "entries_dropped" },
  });
});

/** As carrying forward leaves both events, once the new one is delivered. The new one's id. */
async function carryToLastMonth(db: Db, id: string): Promise<string> {
  return withoutTriggers(db, async (trx) => {
    const { rows } = await sql<{ id: string }>`
      insert into metering.meter_events (
        organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, carried_from,
        state, attempts_started, attempts_finished, first_attempt_at, last_attempt_at, delivered_at
      )
      select organization_id, metering.uuid_v7(at), meter, date_trunc('hour', at, 'UTC'), quantity, at, entries,
        stripe_customer_id, id, date_trunc('month', hour, 'UTC'), 'delivered', 1, 1, at, at, at
      from metering.meter_events, (values (${monthsAgo(1)}::timestamptz)) carried (at)
      where id = ${id}
      returning id
    `.execute(trx);
    const [carried] = rows;
    if (carried === undefined) throw new Error(`there is no meter event ${id}`);
    await sql`
      update metering.meter_events
      set state = 'superseded', reason = 'carried_forward', replaced_by_id = ${carried.id}, delivered_at = null
      where id = ${id}
    `.execute(trx);
    return carried.id;
  });
}

async function oldestEvent(db: Db): Promise<string> {
  const { id } = await db
    .selectFrom("meter_events")
    .select("id")
    .orderBy("id")
    .limit(1)
    .executeTakeFirstOrThrow();
  return id;
}

function encoded(at: Date): string {
  return encodeURIComponent(at.toISOString());
}
