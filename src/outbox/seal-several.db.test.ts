import fc from "fast-check";
import { sql } from "kysely";
import { expect } from "vitest";
import { noteOrganizationOf } from "../database/customer-organizations.ts";
import type { Db } from "../database/db.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { appendEntries, appendHours } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addNeighbours } from "../testing/rows/neighbours.ts";
import { addOrganization, linkCustomer, setOtherBounds } from "../testing/rows/organizations.ts";
import { sealDueEntries } from "./seal.ts";

const meters = ["temperature_readings"] as const;
/** A slow machine makes no transaction smaller. */
const unhurried = { msPerTransaction: 60_000 };
const hours = 4;

/** Few moments, so that boundaries often lie between entries of an hour. */
const tenMinutes = fc.integer({ min: 0, max: 6 * hours - 1 }).map((tens) => 10 * tens);
/** Minutes from the first of some hours on. */
const past = fc.record({
  entries: fc.array(tenMinutes, { minLength: 1, maxLength: 14 }),
  periodStart: tenMinutes,
  otherBounds: fc.array(tenMinutes, { maxLength: 2 }),
  cutAt: fc.option(tenMinutes),
  customerChangesAt: fc.option(tenMinutes),
  slicesMax: fc.integer({ min: 2, max: 9 }),
});

test("an organization's usage becomes the same events, however many slices a turn has", async ({
  database: { db },
  boss,
}) => {
  const property = fc.asyncProperty(past, async ({ slicesMax, ...usage }) => {
    const sealed: unknown[] = [];
    for (const eventsPerTransaction of [1, slicesMax]) {
      const onlyOrganizationId = await addPast(db, usage);
      await sealDueEntries({ db, boss }, { meters, onlyOrganizationId, eventsPerTransaction, ...unhurried });
      sealed.push(await readSealed(db, onlyOrganizationId));
    }
    expect(sealed[1]).toEqual(sealed[0]);
  });
  await fc.assert(property, { numRuns: 40 });
});

test("where all that wait leave room, each has several slices in a turn, and no shipment has two of one organization", async ({
  database: { db, pool },
  boss,
}) => {
  // On a cluster they share a shard: no transaction reaches two.
  const organizations = await addNeighbours(pool, 5);
  for (const [n, id] of organizations.entries()) {
    await linkCustomer(db, id, { customer: `cus_${n}` });
    await appendHours(db, id, [6, 5, 4, 3, 2, 1]);
  }

  const options = { eventsPerTransaction: 20, eventsPerShipmentMin: 5, ...unhurried };
  await sealDueEntries({ db, boss }, { meters, ...options });

  const { rows } = await sql<{ events: number; organizations: number; shipments: number }>`
    select
      count(*)::int as events, count(distinct organization_id)::int as organizations,
      count(distinct shipment_id)::int as shipments
    from metering.meter_events group by xmin::text order by 1 desc
  `.execute(db);
  expect(rows).toEqual([
    { events: 20, organizations: 5, shipments: 4 },
    { events: 10, organizations: 5, shipments: 2 },
  ]);
  const shipments = await db.selectFrom("meter_events").select(["shipment_id", "organization_id"]).execute();
  const sizes = [...Map.groupBy(shipments, (one) => one.shipment_id).values()].map(
    (events) => new Set(events.map((event) => event.organization_id)).size,
  );
  expect(sizes).toEqual(Array(6).fill(5));
});

test("a slice whose rows fail leaves those before it sealed, and uncut", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendHours(db, acme, [...Array<number>(30).fill(5), 4, 3, 2, 1]);
  await sql`
    alter table metering.meter_events add constraint broken check (hour <> ${sql.lit(hoursAgo(3).toISOString())}::timestamptz)
  `.execute(db);

  await expect(sealDueEntries({ db, boss }, { meters, ...unhurried })).rejects.toThrow(
    "some organizations could not be sealed; faults: 1",
  );

  expect(await readMeterEvents(db)).toMatchObject([
    { hour: hoursAgo(5), entries: 30 },
    { hour: hoursAgo(4), entries: 1 },
  ]);
});

let customers = 0;

type Past = {
  entries: number[];
  periodStart: number;
  otherBounds: number[];
  cutAt: number | null;
  customerChangesAt: number | null;
};

/** Adds an organization with this past. Returns its id. */
async function addPast(
  db: Db,
  { entries, periodStart, otherBounds, cutAt, customerChangesAt }: Past,
): Promise<string> {
  const at = (minutes: number) => hoursAgo(hours + 1, minutes);
  customers += 1;
  const customer = `cus_${customers}_second`;
  const id = await addOrganization(db, { customer, periodStart: at(periodStart), periodEnd: hoursAgo(-700) });
  await setOtherBounds(db, id, otherBounds.map(at));
  if (customerChangesAt !== null) {
    await noteOrganizationOf(db, id, `cus_${customers}_first`);
    await db
      .insertInto("customer_links")
      .values({
        organization_id: id,
        linked_at: hoursAgo(900),
        stripe_customer_id: `cus_${customers}_first`,
        ended_at: at(customerChangesAt),
        customer_deleted_at: null,
      })
      .execute();
  }
  if (cutAt !== null) {
    await sql`insert into metering.cut_overs (organization_id, cut_at) values (${id}, ${at(cutAt)})`.execute(
      db,
    );
  }
  await appendEntries(
    db,
    id,
    entries.map((minutes, n) => ({ at: at(minutes), quantity: 2 ** n })),
  );
  return id;
}

/** What was sealed for an organization, without what another with the same past has of its own. */
async function readSealed(db: Db, organizationId: string) {
  const { rows } = await sql`
    select hour, quantity, event_at, entries, state, reason, regexp_replace(stripe_customer_id, '[0-9]+', '') as customer
    from metering.meter_events where organization_id = ${organizationId} order by event_at, id
  `.execute(db);
  return rows;
}
