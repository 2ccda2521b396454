import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";
import { meterNames } from "../../usage/meters.ts";
import { listStatementRows, type RowsPeriod } from "./statement-rows.ts";

const dayMs = 86_400_000;

test("rows of several periods are those that each period's events tell", async ({ database: { db } }) => {
  const organizationId = await addOrganization(db);
  await linkCustomer(db, organizationId, { customer: "cus_1" });
  const first = Date.UTC(2026, 0, 1) + 1_234;
  const day = (days: number) => new Date(first + days * dayMs);
  // Final at once, some hours later, days later, before the end, and never.
  const finals = [5, 10.3, 18, 19, undefined];
  const times = finals.map((final, place) => ({
    customer: place === 2 ? "cus_2" : "cus_1",
    start: day(place * 5),
    end: day(place * 5 + 5),
    finalizedAt: final === undefined ? null : day(final),
  }));
  await addEvents(db, organizationId, { from: day(-1), days: 27 });

  const rows = await listStatementRows(db, organizationId, times);

  let told = 0;
  for (const [place, time] of times.entries()) {
    for (const meter of meterNames) {
      const expected = await tellByEvents(db, organizationId, { ...time, meter });
      const found = rows(place, meter).map(({ kind, meterEventId }) => ({ kind, meterEventId }));
      expect(found).toEqual(expected);
      told += expected.filter(({ kind }) => kind === "late").length;
    }
  }
  expect(told).toBeGreaterThan(20);
});

/** In every state, delivered from seconds to weeks after its time; some replace others or are carried from another period. */
async function addEvents(
  db: Db,
  organizationId: string,
  { from, days }: { from: Date; days: number },
): Promise<void> {
  await sql`select setseed(0.17)`.execute(db);
  await sql`
    insert into metering.meter_events (
      organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state, delivered_at, replaces_id,
      carried_from
    )
    select
      ${organizationId}, e.id, (array['temperature_readings', 'active_sensors'])[1 + n % 2],
      date_trunc('hour', e.at, 'UTC'), 1, e.at, 1, (array['cus_1', 'cus_1', 'cus_2'])[1 + n % 3], e.state,
      case when e.state = 'delivered' then e.at + random() ^ 4 * interval '20 days' end,
      case when n % 11 = 0 then e.id end,
      case when n % 7 = 0 then ${from}::timestamptz + interval '1 day' + (n % 5) * interval '5 days' end
    from generate_series(1, 3000) n
    cross join lateral (
      select
        metering.uuid_v7(now() + n * interval '1 millisecond') as id,
        date_trunc('milliseconds', ${from}::timestamptz + random() * make_interval(days => ${days})) as at,
        (array['delivered', 'delivered', 'delivered', 'delivered', 'pending', 'in_doubt', 'rejected', 'expired', 'superseded'])[1 + (random() * 8)::int]
          as state
      where n > 0
    ) e
  `.execute(db);
}

/** The same from each event by itself. */
async function tellByEvents(
  db: Db,
  organizationId: string,
  { customer, start, end, finalizedAt, meter }: RowsPeriod & { meter: string },
): Promise<{ kind: string; meterEventId: string }[]> {
  const told = await sql<{ kind: string; meterEventId: string }>`
    select k.kind, m.id as "meterEventId"
    from metering.meter_events m
    cross join lateral (select m.event_at >= ${start} and m.event_at < ${end} as is_inside) i
    cross join lateral (
      select m.state as kind, 1 as counts where i.is_inside and m.state in ('pending', 'in_doubt', 'rejected', 'expired')
      union all
      select 'late', 1 where i.is_inside and m.state = 'delivered' and m.delivered_at >= ${finalizedAt}
      union all
      select 'carried_in', 0 where i.is_inside and m.carried_from is not null and m.state <> 'superseded'
      union all
      select 'carried_forward', case when m.replaces_id is null then -1 else 0 end where m.carried_from = ${start}
    ) k
    where m.organization_id = ${organizationId} and m.stripe_customer_id = ${customer} and m.meter = ${meter}
    order by m.event_at, m.id, k.counts desc, k.kind
  `.execute(db);
  return told.rows;
}
