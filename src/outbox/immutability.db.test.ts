import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../database/db.ts";
import type { MeterEventState } from "../delivery/meter-event-states.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { readMeterEvents } from "../testing/rows/meter-event-rows.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { roadTest as test } from "../testing/fixtures/road-fixture.ts";
import { meterNames } from "../usage/meters.ts";
import { sealDueEntries } from "./seal.ts";

const meters = meterNames;
const otherOrganization = "00000000-0000-4000-8000-000000000001";
/** A cluster refuses another organization by itself: it would be another shard. */
const immutable = /immutable|modifying the partition value/;

const eventChanges = [
  "quantity = quantity + 1",
  "meter = 'active_sensors'",
  "stripe_customer_id = 'cus_other'",
  "event_at = (event_at at time zone 'UTC' - interval '1 second') at time zone 'UTC'",
  // With its latest usage, so that no other rule refuses it.
  ["hour", "event_at"]
    .map((column) => `${column} = (${column} at time zone 'UTC' - interval '1 hour') at time zone 'UTC'`)
    .join(", "),
  "entries = entries + 1",
  "counted_before = counted_before + 1",
  "id = '00000000-0000-4000-8000-000000000001'",
  `organization_id = '${otherOrganization}'`,
  "sealed_at = now()",
];

test.for(eventChanges)("a sealed event refuses: %s", async (change, { database, boss }) => {
  const { db } = database;
  const [sealed] = await sealOne(database.db, boss);
  await sql`insert into metering.organizations (id, name) values (${otherOrganization}, 'Other')`.execute(db);

  await expect(sql`update metering.meter_events set ${sql.raw(change)}`.execute(db)).rejects.toThrow(
    immutable,
  );

  expect(await readMeterEvents(db)).toEqual([sealed]);
});

const entryChanges = [
  "quantity = quantity + 1",
  "meter = 'active_sensors'",
  "occurred_at = (occurred_at at time zone 'UTC' - interval '1 second') at time zone 'UTC'",
  // To another partition, where an update deletes and inserts.
  "occurred_at = (occurred_at at time zone 'UTC' + interval '1 month') at time zone 'UTC'",
  "id = '00000000-0000-4000-8000-000000000001'",
  `organization_id = '${otherOrganization}'`,
  "meter_event_id = null",
  "meter_event_id = '00000000-0000-4000-8000-000000000001'",
];

test.for(entryChanges)("a sealed entry refuses: %s", async (change, { database, boss }) => {
  await sealOne(database.db, boss);

  const changing = sql`update metering.meter_outbox set ${sql.raw(change)}`.execute(database.db);

  await expect(changing).rejects.toThrow(immutable);
});

test.for(["quantity = 0", "occurred_at = now()", "meter = 'active_sensors'"])(
  "an unsealed entry refuses: %s",
  async (change, { database: { db } }) => {
    const acme = await addOrganization(db);
    await appendEntries(db, acme, [{ at: hoursAgo(1, 1), quantity: 5 }]);

    const changing = sql`update metering.meter_outbox set ${sql.raw(change)}`.execute(db);

    await expect(changing).rejects.toThrow("immutable");
  },
);

test.for(["meter_outbox", "meter_events"])(
  "a row of %s is never deleted",
  async (table, { database, boss }) => {
    await sealOne(database.db, boss);

    const deleting = sql`delete from ${sql.table(`metering.${table}`)}`.execute(database.db);

    await expect(deleting).rejects.toThrow("immutable");
  },
);

test.skipIf(localOnly("a cluster takes no statement on a shard's partition"))(
  "an entry is not deleted from its partition either",
  async ({ database: { db }, boss }) => {
    await sealOne(db, boss);
    const { rows } = await sql<{ partition: string }>`
    select tableoid::regclass::text as partition from metering.meter_outbox
  `.execute(db);

    const deleting = sql`delete from ${sql.table(rows[0]?.partition ?? "")}`.execute(db);

    await expect(deleting).rejects.toThrow("immutable");
  },
);

// Postgres locks each row for such a trigger before the update, and logs it, whether the trigger then runs or not.
test("no trigger stands before an update of events or entries", async ({ database: { db } }) => {
  const { rows } = await sql<{ name: string; timing: string }>`
    select distinct trigger_name as name, action_timing as timing from information_schema.triggers
    where event_object_schema = 'metering' and event_object_table in ('meter_events', 'meter_outbox')
      and event_manipulation = 'UPDATE'
    order by name
  `.execute(db);

  expect(rows).toEqual([
    { name: "entry_immutable", timing: "AFTER" },
    { name: "entry_sealed_once", timing: "AFTER" },
    { name: "meter_event_immutable", timing: "AFTER" },
    { name: "meter_event_state", timing: "AFTER" },
  ]);
});

const leftOnlyFor: Record<MeterEventState, MeterEventState[]> = {
  pending: ["delivered", "in_doubt", "rejected", "expired", "superseded"],
  in_doubt: ["delivered", "pending", "superseded", "rejected", "expired"],
  delivered: ["rejected"],
  rejected: ["pending", "in_doubt", "superseded", "expired"],
  expired: [],
  superseded: [],
};

for (const [state, allowed] of Object.entries(leftOnlyFor)) {
  test(`an event that is ${state} leaves for [${allowed.join(", ")}] only`, async ({
    database: { db },
    boss,
  }) => {
    const [event] = await sealOne(db, boss);
    const id = event?.id ?? "";
    if (state !== "pending") await moveTo(db, id, state);

    const left: string[] = [];
    for (const next of Object.keys(leftOnlyFor).filter((other) => other !== state)) {
      // Each move is tried in a transaction of its own and taken back, so that the next one starts from `state`.
      await db
        .transaction()
        .execute(async (trx) => {
          await moveTo(trx, id, next);
          left.push(next);
          throw new Error("taken back");
        })
        .catch((error: unknown) => {
          if (!/taken back|cannot go from/.test(String(error))) throw error;
        });
    }

    expect(left.toSorted()).toEqual(allowed.toSorted());
  });
}

async function sealOne(db: Db, boss: Parameters<typeof sealDueEntries>[0]["boss"]) {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [{ at: hoursAgo(1, 1), quantity: 5 }]);
  await sealDueEntries({ db, boss }, { meters });
  return readMeterEvents(db);
}

async function moveTo(db: Db, id: string, state: string): Promise<void> {
  const deliveredAt = state === "delivered" ? sql`, delivered_at = now()` : sql``;
  await sql`update metering.meter_events set state = ${state}${deliveredAt} where id = ${id}`.execute(db);
}
