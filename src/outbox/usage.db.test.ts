import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import { expect } from "vitest";
import type { Db, Trx } from "../database/db.ts";
import type { MeterEvents } from "../database/schema.ts";
import { meterEventsTest as test } from "../testing/fixtures/meter-events-fixture.ts";
import { withoutTriggers } from "../testing/postgres/without-triggers.ts";
import { linkCustomer, addOrganization } from "../testing/rows/organizations.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { addRandomEntries } from "../testing/rows/random-entries.ts";
import { meterNames } from "../usage/meters.ts";
import { findViolations } from "../testing/rows/invariants.ts";
import { settleUsageAtOnce } from "../testing/rows/settle-usage.ts";
import { sealDueEntries } from "./seal.ts";
import { readPeriodEvents } from "../reconciliation/close/period-events.ts";
import { type PeriodEntries, readPeriodEntries } from "./period-entries.ts";
import type { UsagePeriod } from "./paid-spans.ts";
import { addUpUsage, readSummedThrough } from "./sums.ts";
import { readUsageByEntries } from "../testing/rows/usage-by-entries.ts";
import { granularities } from "./usage-buckets.ts";
import { readUsageSummary, type UsageTotal } from "./usage-summary.ts";
import { readUsage, type UsageBucket, type UsageQuery } from "./usage.ts";

const hourMs = 3_600_000;
const days = 5;
/** In the first of them everything is sealed at once, so that each hour has one event of a meter. */
const quietDays = 2;
const zones = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Africa/Monrovia"];

test("usage from the meter events is that of their entries, in every state and at every edge", async ({
  database: { db },
  boss,
}) => {
  const until = new Date(Math.floor(Date.now() / hourMs) * hourMs);
  const from = new Date(until.getTime() - days * 24 * hourMs);
  const acme = await addOrganization(db);
  const other = await addOrganization(db);
  await linkCustomer(db, acme, { customer: "cus_1" });
  await linkCustomer(db, other, { customer: "cus_2" });
  await sql`update metering.customer_links set linked_at = now() - interval '1 year'`.execute(db);
  // The sums end between two events of one hour, and of what they hold some is not delivered later.
  await settleUsageAtOnce(db, 333);
  const busyFrom = new Date(from.getTime() + quietDays * 24 * hourMs);
  const addAndSeal = async (since: Date) => {
    for (const organization of [acme, other])
      await addRandomEntries(db, organization, { from: since, until });
    await sealDueEntries({ db, boss }, { meters: meterNames });
  };
  await addAndSeal(from);
  expect(await addUpUsage(db)).toBeGreaterThan(0);
  await addAndSeal(busyFrom);
  await forgetSomeQuarters(db);
  await makeStates(db);
  // Some stay unsealed, and gauges of one time with values of their own.
  await addRandomEntries(db, acme, { from: busyFrom, until });
  for (const [at, quantity] of [
    [from, 3],
    [from, 4],
    [until, 5],
  ] as const) {
    await appendEntries(db, acme, [{ at, quantity, meter: "active_sensors" }]);
  }
  await sql`analyze metering.meter_outbox, metering.meter_events`.execute(db);

  const edges = [0, hourMs, 7 * hourMs + 900_000, 10 * hourMs + 1, 20 * hourMs - 1];
  const queries: UsageQuery[] = [];
  for (const meter of meterNames) {
    for (const [index, timeZone] of zones.entries()) {
      for (const granularity of granularities) {
        const edge = edges[(index + granularity.length) % edges.length] ?? 0;
        const query = {
          meter,
          granularity,
          timeZone,
          keptFrom: null,
          from: new Date(from.getTime() + edge),
          to: new Date(until.getTime() - (edge % (5 * hourMs))),
        };
        queries.push(query);
      }
      // So many buckets that events are not looked up for each: hours, whole and with cut ends, and days.
      const long = { meter, timeZone, keptFrom: null, from: new Date(from.getTime() + (edges[index] ?? 0)) };
      queries.push(
        { ...long, granularity: "hour", to: new Date(until.getTime() + 500 * hourMs) },
        { ...long, granularity: "day", to: new Date(until.getTime() + 500 * 24 * hourMs) },
      );
    }
  }
  let compared = 0;
  for (const query of queries) {
    const read = await readUsage(db, acme, query);
    const what = `${query.meter} by ${query.granularity} in ${query.timeZone}`;
    expect(read, what).toEqual(await readUsageByEntries(db, acme, query));
    compared += read.filter(({ quantity }) => quantity > 0).length;
  }
  expect(compared).toBeGreaterThan(300);
  expect(await findSumsViolations(db)).toEqual([]);

  const read = async () => {
    const answers: UsageBucket[][] = [];
    for (const query of queries.filter((_, index) => index % 4 === 0))
      answers.push(await readUsage(db, acme, query));
    return {
      answers,
      summaries: await readSummaries(db, { from, until }),
      periods: await readPeriods(db, acme, until),
    };
  };
  const partly = await read();
  // The same with all of them in the sums, with none, and from the events where the sums are far behind.
  await settleUsageAtOnce(db, 100_000);
  expect(await addUpUsage(db)).toBeGreaterThan(0);
  expect(await readSummedThrough(db)).not.toBeNull();
  expect(await read()).toEqual(partly);
  await forgetSums(db);
  expect(await read()).toEqual(partly);
  for (const organization of [acme, other]) {
    await addOldEvent(db, organization);
    expect(await readSummedThrough(db, organization)).toBeNull();
  }
  expect(await readSummedThrough(db)).toBeNull();
  expect(await read()).toEqual(partly);
});

test("usage stays the same while it is sealed, settled and added up", async ({ database: { db }, boss }) => {
  const until = new Date(Math.floor(Date.now() / hourMs) * hourMs);
  const from = new Date(until.getTime() - 24 * hourMs);
  const acme = await addOrganization(db);
  await linkCustomer(db, acme, { customer: "cus_1" });
  await sql`update metering.customer_links set linked_at = now() - interval '1 year'`.execute(db);
  for (let turn = 0; turn < 4; turn += 1) await addRandomEntries(db, acme, { from, until });
  await settleUsageAtOnce(db, 7);
  const meter = "temperature_readings";
  const query = { meter, from, to: until, granularity: "day", timeZone: "UTC", keptFrom: null } as const;
  const total = (buckets: readonly UsageBucket[]) => ({
    used: buckets.reduce((sum, { quantity }) => sum + quantity, 0),
    told: buckets.reduce((sum, one) => sum + one.delivered + one.pending + one.in_doubt + one.rejected, 0),
  });
  const before = total(await readUsage(db, acme, query));
  const done = new AbortController();
  const work = async () => {
    await sealDueEntries(
      { db, boss },
      { meters: meterNames, eventsPerTransaction: 2, entriesPerTransaction: 10 },
    );
    while ((await addUpUsage(db)) > 0) await settleSome(db);
    done.abort();
  };
  const read = async () => {
    let reads = 0;
    while (!done.signal.aborted) {
      expect(total(await readUsage(db, acme, query))).toEqual(before);
      reads += 1;
    }
    return reads;
  };
  const [, reads] = await Promise.all([work(), read(), addUpBeside(db, done.signal)]);
  expect(before.used).toBe(before.told);
  expect(before.used).toBeGreaterThan(0);
  expect(reads).toBeGreaterThan(10);
  expect(total(await readUsage(db, acme, query))).toEqual(before);
  expect(await findSumsViolations(db)).toEqual([]);
});

/** As of hours whose entries retention had dropped before they were added up. */
async function forgetSomeQuarters(db: Db): Promise<void> {
  const hours = await db
    .selectFrom("usage_sums")
    .select("starts_at")
    .distinct()
    .orderBy("starts_at")
    .execute();
  const forgotten = hours.map((row) => row.starts_at).filter((_, n) => n % 5 === 0);
  await sql`
    update metering.usage_sums set before_15 = null, before_30 = null, before_45 = null
    where starts_at = any(${forgotten}::timestamptz[])
  `.execute(db);
}

async function forgetSums(db: Db): Promise<void> {
  await sql`truncate metering.usage_sums`.execute(db);
  await sql`update metering.usage_progress set events_through_id = '00000000-0000-0000-0000-000000000000'`.execute(
    db,
  );
}

/** Sealed two days ago, of usage a year ago. */
async function addOldEvent(db: Db, organizationId: string): Promise<void> {
  await sql`
    insert into metering.meter_events (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
    select ${organizationId}, metering.uuid_v7(now() - interval '2 days'), 'temperature_readings', h, 1, h, 1, 'cus_2'
    from date_trunc('hour', now() - interval '1 year', 'UTC') h
  `.execute(db);
}

/** What a statement begins with: the entries, which are compared with the rows themselves, and the events. */
async function readPeriods(db: Db, organizationId: string, until: Date): Promise<unknown[]> {
  const hoursSinceMidnight = (until.getTime() % (24 * hourMs)) / hourMs;
  const times = (
    [
      [30.3, 25.1],
      [60, 60],
      [3.5, 0.25],
      [70.5, 50.5],
      // In the first hour of a day.
      [hoursSinceMidnight + 23.5, 0.25],
    ] as const
  ).map(([hoursAgo, hours]) => {
    const start = new Date(until.getTime() - hoursAgo * hourMs);
    return { customer: "cus_1", start, end: new Date(start.getTime() + hours * hourMs) };
  });
  const entries = await readPeriodEntries(db, { organizationId, times });
  for (const [place, time] of times.entries()) {
    const found = (entries[place] ?? []).toSorted((a, b) => a.meter.localeCompare(b.meter));
    expect(found).toEqual(await readPeriodByEntries(db, { organizationId, ...time }));
  }
  return [entries, await readPeriodEvents(db, { organizationId, times })];
}

async function readPeriodByEntries(
  db: Db,
  { organizationId, start, end }: UsagePeriod,
): Promise<PeriodEntries[]> {
  const latest = sql`(array_agg(quantity order by occurred_at desc, id desc)`;
  const entries = await sql<PeriodEntries>`
    select
      meter, count(*)::float8 as entries,
      case meter when 'active_sensors' then ${latest})[1]::text else sum(quantity)::text end as quantity,
      count(*) filter (where meter_event_id is null)::float8 as "unsealedEntries",
      coalesce(
        case meter
          when 'active_sensors' then ${latest} filter (where meter_event_id is null))[1]::text
          else sum(quantity) filter (where meter_event_id is null)::text
        end,
        '0'
      ) as "unsealedQuantity"
    from metering.meter_outbox
    where organization_id = ${organizationId} and occurred_at >= ${start} and occurred_at < ${end}
    group by meter
    order by meter
  `.execute(db);
  return entries.rows;
}

/** What violates the invariants of the sums. */
async function findSumsViolations(db: Db): Promise<string[]> {
  return (await findViolations(db)).filter((violation) => violation.startsWith("usage of"));
}

/** Half of the pending events go to another state. */
async function settleSome(db: Db): Promise<void> {
  await sql`
    update metering.meter_events
    set state = ${chosen(["delivered", "rejected", "in_doubt", "expired"])}
    where state = 'pending' and ${chosen(["yes", "no"])} = 'yes'
  `.execute(db);
}

/** One of these for each meter event, others at each call. A cluster takes no `random()` in an update. */
function chosen(from: readonly string[]) {
  const seed = sql.lit(Math.floor(Math.random() * 1e9));
  const cases = from.map((one, n) => sql`when ${sql.lit(n)} then ${sql.lit(one)}`);
  return sql`case abs(hashtextextended(id::text, ${seed}) % ${sql.lit(from.length)}) ${sql.join(cases, sql` `)} end`;
}

/** Another worker adds up, and settles, all the while. */
async function addUpBeside(db: Db, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await addUpUsage(db);
    await settleSome(db);
  }
}

async function readSummaries(db: Db, { from, until }: { from: Date; until: Date }): Promise<UsageTotal[][]> {
  const summaries: UsageTotal[][] = [];
  for (const meter of meterNames) {
    for (const edge of [0, 10 * hourMs + 1, 25 * hourMs]) {
      summaries.push(
        await readUsageSummary(db, {
          meter,
          from: new Date(from.getTime() + edge),
          to: new Date(until.getTime() - (edge % (5 * hourMs))),
          keptFrom: null,
          after: undefined,
          limit: 10,
        }),
      );
    }
  }
  expect(summaries.flat().filter(({ quantity, delivered }) => quantity > delivered).length).toBeGreaterThan(
    3,
  );
  return summaries;
}

/** A third of the events in other states, and some replaced: one by one, and several by one with a part already counted. */
async function makeStates(db: Db): Promise<void> {
  await withoutTriggers(db, async (trx) => {
    await sql`
      update metering.meter_events
      set state = ${chosen(["delivered", "delivered", "delivered", "rejected", "expired", "in_doubt", "superseded", "pending"])}
    `.execute(trx);
    const superseded = await trx
      .selectFrom("meter_events")
      .select(["organization_id", "id", "meter", "hour", "quantity", "stripe_customer_id"])
      .where("state", "=", "superseded")
      .orderBy("organization_id")
      .orderBy("meter")
      .orderBy("id")
      .execute();
    const replaced = superseded.filter((_, n) => n % 10 < 7);
    const packs = Map.groupBy(replaced, (event, n) =>
      [event.organization_id, event.meter, Math.floor(n / 3)].join(),
    );
    for (const pack of packs.values()) await replacePack(trx, pack);
  });
}

type Replaced = Pick<
  Selectable<MeterEvents>,
  "organization_id" | "id" | "meter" | "hour" | "quantity" | "stripe_customer_id"
>;

async function replacePack(trx: Trx, pack: readonly Replaced[]): Promise<void> {
  const [first] = pack;
  if (first === undefined) return;
  const { organization_id, meter, stripe_customer_id } = first;
  const quantity = pack.reduce((sum, event) => sum + Number(event.quantity), 0);
  const hour = new Date(Math.max(...pack.map((event) => event.hour.getTime())));
  const counted_before = Math.floor(quantity * 0.3);
  const states = ["delivered", "rejected", "in_doubt", "pending"] as const;
  const { id } = await trx
    .insertInto("meter_events")
    .values({
      organization_id,
      id: randomUUID(),
      meter,
      hour,
      quantity: quantity - counted_before,
      event_at: hour,
      entries: 1,
      stripe_customer_id,
      replaces_id: first.id,
      counted_before,
      state: states[Math.floor(Math.random() * states.length)] ?? "pending",
    })
    .returning("id")
    .executeTakeFirstOrThrow();
  await trx
    .updateTable("meter_events")
    .set({ replaced_by_id: id })
    .where("organization_id", "=", organization_id)
    .where(
      "id",
      "in",
      pack.map((event) => event.id),
    )
    .execute();
}
