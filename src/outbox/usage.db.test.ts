import { type RawBuilder, sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import { meterEventsTest as test } from "../testing/fixtures/meter-events-fixture.ts";
import { linkCustomer, addOrganization } from "../testing/rows/organizations.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { type MeterName, meterNames, meters } from "../usage/meters.ts";
import { sealDueEntries } from "./seal.ts";
import { granularities } from "./usage-buckets.ts";
import { readUsage, type UsageBucket, type UsageQuery } from "./usage.ts";
import { countedOf, latestVersion } from "./versions.ts";

const hourMs = 3_600_000;
const days = 3;
const zones = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Africa/Monrovia"];

test("usage from the meter events is that of their entries, in every state and at every edge", async ({
  database: { db },
  boss,
}) => {
  const until = new Date(Math.floor(Date.now() / hourMs) * hourMs);
  const from = new Date(until.getTime() - days * 24 * hourMs);
  await sql`select setseed(0.5)`.execute(db);
  const acme = await addOrganization(db);
  const other = await addOrganization(db);
  await linkCustomer(db, acme, { customer: "cus_1" });
  await linkCustomer(db, other, { customer: "cus_2" });
  await sql`update metering.customer_links set linked_at = now() - interval '1 year'`.execute(db);
  for (const organization of [acme, other]) {
    await addRandomEntries(db, organization, { from, until });
    await sealDueEntries({ db, boss }, { meters: meterNames });
    await addRandomEntries(db, organization, { from, until });
    await sealDueEntries({ db, boss }, { meters: meterNames });
  }
  await makeStates(db);
  // Some stay unsealed, and gauges of one time with values of their own.
  await addRandomEntries(db, acme, { from, until });
  for (const [at, quantity] of [
    [from, 3],
    [from, 4],
    [until, 5],
  ] as const) {
    await appendEntries(db, acme, [{ at, quantity, meter: "active_sensors" }]);
  }
  await sql`analyze metering.meter_outbox, metering.meter_events`.execute(db);

  const edges = [0, hourMs, 7 * hourMs + 900_000, 10 * hourMs + 1, 20 * hourMs - 1];
  let compared = 0;
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
        const read = await readUsage(db, acme, query);
        expect(read, `${meter} by ${granularity} in ${timeZone}`).toEqual(
          await readByEntries(db, acme, query),
        );
        compared += read.filter(({ quantity }) => quantity > 0).length;
      }
    }
  }
  expect(compared).toBeGreaterThan(300);
});

test("buckets inside one hour are those of their own entries", async ({ database: { db }, boss }) => {
  const acme = await addOrganization(db);
  await linkCustomer(db, acme, { customer: "cus_1" });
  const hour = new Date(Math.floor(Date.now() / hourMs) * hourMs - 5 * hourMs);
  await addRandomEntries(db, acme, { from: hour, until: new Date(hour.getTime() + 2 * hourMs) });
  await sealDueEntries({ db, boss }, { meters: meterNames });
  for (const meter of meterNames) {
    for (const [fromMinute, toMinute] of [
      [5, 20],
      [0, 30],
      [30, 60],
      [59, 61],
      [0, 60],
      [30, 90],
    ] as const) {
      const query = {
        meter,
        granularity: "hour" as const,
        timeZone: "UTC",
        keptFrom: null,
        from: new Date(hour.getTime() + fromMinute * 60_000),
        to: new Date(hour.getTime() + toMinute * 60_000),
      };
      expect(await readUsage(db, acme, query)).toEqual(await readByEntries(db, acme, query));
    }
  }
});

/** Four an hour on average, some at the same millisecond, some on the hour. */
async function addRandomEntries(
  db: Db,
  organizationId: string,
  { from, until }: { from: Date; until: Date },
): Promise<void> {
  await sql`
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
    select ${organizationId}, e.at, metering.uuid_v7(e.at), m.name, (random() * 50)::int
    from generate_series(${from}::timestamptz, ${until}::timestamptz - interval '1 hour', interval '1 hour') hour
    cross join metering.meters m
    cross join generate_series(1, 2) n
    cross join lateral (
      select hour + (array[random() * 3599, 0, 1800, 2700, 899.999])[1 + (random() * 4)::int + 0 * n] * interval '1 second' as exact
    ) t
    cross join lateral (select date_trunc('milliseconds', t.exact) as at) e
    where random() < 0.8
  `.execute(db);
}

/** A third of the events in other states, and some replaced: one by one, and several by one with a part already counted. */
async function makeStates(db: Db): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await sql`set local session_replication_role = replica`.execute(trx);
    await sql`
      update metering.meter_events
      set state = (array['delivered', 'delivered', 'delivered', 'rejected', 'expired', 'in_doubt', 'superseded', 'pending'])[1 + (random() * 7)::int]
    `.execute(trx);
    await sql`
      with replaced as (
        select organization_id, id, meter, hour, quantity, stripe_customer_id,
          metering.uuid_v7(now() + interval '1 hour' + interval '1 millisecond' * (row_number() over (order by organization_id, meter, id) / 3)) as seed,
          row_number() over (order by organization_id, meter, id) / 3 as pack
        from metering.meter_events where state = 'superseded' and random() < 0.7
      ),
      packs as (
        select organization_id, meter, pack, max(hour) as hour, sum(quantity) as quantity, min(stripe_customer_id) as customer,
          (array_agg(id order by id))[1] as first_id, gen_random_uuid() as new_id
        from replaced group by organization_id, meter, pack
      ),
      added as (
        insert into metering.meter_events (
          organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id, counted_before, state
        )
        select organization_id, new_id, meter, hour, quantity - floor(quantity * 0.3), hour, 1, customer, first_id,
          floor(quantity * 0.3), (array['delivered', 'rejected', 'in_doubt', 'pending'])[1 + (random() * 3)::int]
        from packs
      )
      update metering.meter_events m set replaced_by_id = p.new_id
      from replaced r
      join packs p on p.organization_id = r.organization_id and p.meter = r.meter and p.pack = r.pack
      where m.organization_id = r.organization_id and m.id = r.id
    `.execute(trx);
  });
}

/** The same figures from the entries alone, each with what became of its meter event: slow, and plain. */
async function readByEntries(
  db: Db,
  organizationId: string,
  { meter, from, to, granularity, timeZone }: UsageQuery,
): Promise<UsageBucket[]> {
  const usage = await sql<UsageBucket>`
    with starts as (
      select s.start, lead(s.start) over (order by s.start) as next_start
      from ${startsOf({ from, to, granularity, timeZone })} as s (start)
    ),
    buckets as (
      select greatest(start, ${from}) as start, least(coalesce(next_start, ${to}), ${to}) as "end"
      from starts
      where start < ${to}
    )
    select b.start, b."end", u.*
    from buckets b
    cross join lateral (
      select
        coalesce(sum(used), 0)::float8 as quantity,
        coalesce(sum(counted), 0)::float8 as delivered,
        coalesce(sum(used - counted) filter (where state = 'pending'), 0)::float8 as pending,
        coalesce(sum(used - counted) filter (where state = 'in_doubt'), 0)::float8 as in_doubt,
        coalesce(sum(used - counted) filter (where state in ('rejected', 'expired')), 0)::float8 as rejected
      from (
        select coalesce(v.state, 'pending') as state, sum(e.quantity) as used, ${countedOf(sql`sum(e.quantity)`)} as counted
        from (
          select meter_event_id, sum(quantity) as quantity
          from (
            select quantity, meter_event_id, occurred_at, id
            from metering.meter_outbox
            where organization_id = ${organizationId} and meter = ${meter}
              and occurred_at >= b.start and occurred_at < b."end"
            ${onlyLatest(meter)}
          ) entry
          group by meter_event_id
        ) e
        left join lateral ${latestVersion(sql`${organizationId}::uuid`, sql`e.meter_event_id`)} v on true
        group by v.id, v.state, v.quantity, v.counted_before
      ) version
    ) u
    order by b.start
  `.execute(db);
  return usage.rows;
}

function startsOf({
  from,
  to,
  granularity,
  timeZone,
}: Pick<UsageQuery, "from" | "to" | "granularity" | "timeZone">): RawBuilder<unknown> {
  const step = sql.lit(`1 ${granularity}`);
  return granularity === "hour"
    ? sql`generate_series(date_trunc('hour', ${from}::timestamptz, ${timeZone}), ${to}::timestamptz, ${step})`
    : sql`(
        select local_start at time zone ${timeZone} from generate_series(
          date_trunc(${granularity}, ${from}::timestamptz at time zone ${timeZone}),
          ${to}::timestamptz at time zone ${timeZone},
          ${step}
        ) local_start
      )`;
}

function onlyLatest(meter: MeterName): RawBuilder<unknown> {
  return meters[meter].aggregation === "last" ? sql`order by occurred_at desc, id desc limit 1` : sql``;
}
