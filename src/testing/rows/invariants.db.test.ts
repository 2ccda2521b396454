import { sql } from "kysely";
import type { Pool } from "pg";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { databaseTest as test } from "../postgres/database-fixture.ts";
import { withoutTriggers } from "../postgres/without-triggers.ts";
import { findViolations } from "./invariants.ts";

const organization = "00000000-0000-7000-8000-000000000001";
const other = "00000000-0000-7000-8000-000000000002";
const sumEvent = "00000000-0000-7000-8000-00000000000a";
const lastEvent = "00000000-0000-7000-8000-00000000000b";
const doubted = "00000000-0000-7000-8000-00000000000c";
const replacement = "00000000-0000-7000-8000-00000000000d";
// Read once, so that a day that ends during a test moves nothing in it.
const today = new Date().toISOString().slice(0, 10);

/**
 * Three readings in two entries of one hour, folded and delivered; a sensor count of that hour, folded too, whose later
 * value is the smaller; a reading of another hour whose event was in doubt, and is sent again by another event; and an
 * unsealed entry of each kind.
 */
const lawfulRows = `
  insert into metering.organizations (id, name) values ('${organization}', 'Acme'), ('${other}', 'Other');
  create temporary table entry as
    select *, metering.uuid_v7(occurred_at) as id
    from (values
      ('10:10'::text, 'temperature_readings', 2, '${sumEvent}'::uuid),
      ('10:20', 'temperature_readings', 1, '${sumEvent}'),
      ('11:30', 'temperature_readings', 1, null),
      ('12:10', 'temperature_readings', 1, '${doubted}'),
      ('10:00', 'active_sensors', 9, '${lastEvent}'),
      ('10:40', 'active_sensors', 4, '${lastEvent}'),
      ('11:00', 'active_sensors', 5, null)
    ) v (at, meter, quantity, meter_event_id),
    lateral (select (date '${today}' + at::time) at time zone 'UTC' as occurred_at) t;
  insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity, meter_event_id)
    select '${organization}', occurred_at, id, meter, quantity, meter_event_id from entry;
  insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    select '${organization}', 'sensor-' || n, occurred_at - interval '1 day', 4.5, id
    from entry, generate_series(1, quantity) n
    where meter = 'temperature_readings';
  insert into metering.meter_events (organization_id, id, meter, hour, quantity, event_at, entries,
    stripe_customer_id, state, attempts_started, attempts_finished, delivered_at)
    select '${organization}', meter_event_id, meter, date_trunc('hour', max(occurred_at), 'UTC'),
      case meter when 'active_sensors' then 4 else sum(quantity) end, max(occurred_at), count(*), 'cus_1',
      case meter_event_id when '${doubted}' then 'superseded' else 'delivered' end, 1, 1, now()
    from entry where meter_event_id is not null group by meter_event_id, meter;
  insert into metering.meter_events (organization_id, id, meter, hour, quantity, event_at, entries,
    stripe_customer_id, replaces_id)
    select organization_id, '${replacement}', meter, hour, quantity, event_at, entries, stripe_customer_id, id
    from metering.meter_events where id = '${doubted}';
  update metering.meter_events set replaced_by_id = '${replacement}' where id = '${doubted}';
  insert into metering.delivery_attempts (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict)
    values ('${organization}', '${sumEvent}', 1, now(), 5, 'delivered');
`;

/** Lets rows be written that the service's own constraints would refuse. */
const lawless = [
  "alter table metering.meter_events drop constraint meter_events_check1",
  "alter table metering.delivery_attempts drop constraint delivery_attempts_pkey",
];

async function storeLawfulRowsAnd({ pool, db }: { pool: Pool; db: Db }, breach: string[]): Promise<void> {
  for (const statement of [lawfulRows, ...lawless]) await pool.query(statement);
  await withoutTriggers(db, async (trx) => {
    for (const statement of breach) await sql.raw(statement).execute(trx);
  });
}

const entryAt = (time: string) => `occurred_at = (date '${today}' + time '${time}') at time zone 'UTC'`;

/** Without the time zone of the session, on which nodes of a cluster might not agree. */
const later = (column: string, by: string) =>
  `(${column} at time zone 'UTC' + interval '${by}') at time zone 'UTC'`;

test("lawful rows violate nothing, and neither do entries that no reading stands behind", async ({
  database: { db, pool },
}) => {
  await storeLawfulRowsAnd({ db, pool }, []);
  expect(await findViolations(db)).toEqual([]);
});

test("an empty database violates nothing", async ({ database: { db } }) => {
  expect(await findViolations(db)).toEqual([]);
});

const breaches = [
  {
    breach: "a reading that is gone",
    statement: "delete from metering.readings where sensor_id = 'sensor-2'",
    sentences: [/has 4 readings, but its entries count 5$/, /^entry \S+ counts 2 readings, but 1 name it$/],
  },
  {
    breach: "an entry that is gone",
    statement: `delete from metering.meter_outbox where ${entryAt("11:30")}`,
    sentences: [/has 5 readings, but its entries count 4$/, /^reading sensor-1 .* does not have$/],
  },
  {
    breach: "a reading that names another organization's entry",
    statement: [
      `insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
        select '${other}', sensor_id, recorded_at, temperature, entry_id
        from metering.readings where sensor_id = 'sensor-2'`,
      `delete from metering.readings where organization_id = '${organization}' and sensor_id = 'sensor-2'`,
    ],
    sentences: [
      new RegExp(`^organization ${organization} has 4 readings, but its entries count 5$`),
      new RegExp(`^organization ${other} has 1 readings, but its entries count 0$`),
      /^reading sensor-2 .* does not have$/,
      /^entry \S+ counts 2 readings, but 1 name it$/,
    ],
  },
  {
    breach: "a reading that names the wrong entry of its organization",
    statement: `update metering.readings r set entry_id = e.id
      from metering.meter_outbox e
      where e.organization_id = r.organization_id and sensor_id = 'sensor-2' and ${entryAt("11:30")}`,
    sentences: [/counts 2 readings, but 1 name it$/, /counts 1 readings, but 2 name it$/],
  },
  {
    breach: "an entry whose time is not the one in its id",
    statement: `update metering.meter_outbox set occurred_at = ${later("occurred_at", "1 second")}
      where ${entryAt("11:30")}`,
    sentences: [/^reading sensor-1 .* does not have$/],
  },
  {
    breach: "a stamp without a meter event",
    statement: `update metering.meter_outbox set meter_event_id = '${other}' where ${entryAt("11:00")}`,
    sentences: [new RegExp(`is stamped with meter event ${other}, which does not exist$`)],
  },
  {
    breach: "a stamp with another meter's event",
    statement: `update metering.meter_outbox set meter_event_id = '${lastEvent}' where ${entryAt("10:10")}`,
    sentences: [
      new RegExp(`is stamped with meter event ${lastEvent}, which does not exist$`),
      new RegExp(`^meter event ${sumEvent} says quantity 3, 2 entries .* fold to 1, 1 and`),
      new RegExp(`^meter event ${lastEvent} says quantity 4, 2 entries .* fold to 4, 3 and`),
    ],
  },
  {
    breach: "an event of another hour than its entries",
    statement: `update metering.meter_events set hour = ${later("hour", "-1 hour")}, event_at = ${later("event_at", "-1 hour")}
      where id = '${sumEvent}'`,
    sentences: [
      /outside the hour/,
      /outside the hour/,
      /^meter event \S+ says quantity 3, .* fold to 3, 2 and/,
    ],
  },
  {
    breach: "an event whose hour is not a full one",
    statement: `update metering.meter_events set hour = ${later("hour", "5 minutes")} where id = '${sumEvent}'`,
    sentences: [/outside the hour/, /outside the hour/],
  },
  {
    breach: "a sum that is not the sum",
    statement: `update metering.meter_events set quantity = 2 where id = '${sumEvent}'`,
    sentences: [/^meter event \S+ says quantity 2, 2 entries .* fold to 3, 2 and/],
  },
  {
    breach: "a gauge that is the highest and not the latest",
    statement: `update metering.meter_events set quantity = 9 where id = '${lastEvent}'`,
    sentences: [/^meter event \S+ says quantity 9, 2 entries .* fold to 4, 2 and/],
  },
  {
    breach: "a wrong number of entries",
    statement: `update metering.meter_events set entries = 3 where id = '${sumEvent}'`,
    sentences: [/^meter event \S+ says quantity 3, 3 entries .* fold to 3, 2 and/],
  },
  {
    breach: "an event's time that is no entry's",
    statement: `update metering.meter_events set event_at = ${later("event_at", "1 second")} where id = '${sumEvent}'`,
    sentences: [/^meter event \S+ says quantity 3, 2 entries .* fold to 3, 2 and/],
  },
  {
    breach: "an event without entries",
    statement: `update metering.meter_outbox set meter_event_id = null where meter_event_id = '${lastEvent}'`,
    sentences: [/^meter event \S+ says quantity 4, 2 entries .* fold to , 0 and $/],
  },
  {
    breach: "a replacement with another quantity",
    statement: `update metering.meter_events set quantity = 2 where id = '${replacement}'`,
    sentences: [new RegExp(`^meter event ${replacement} is not what the 1 that it replaces were$`)],
  },
  {
    breach: "a replacement with another time",
    statement: `update metering.meter_events set event_at = ${later("event_at", "1 second")} where id = '${replacement}'`,
    sentences: [new RegExp(`^meter event ${replacement} is not what the 1 that it replaces were$`)],
  },
  {
    breach: "a replacement of nothing",
    statement: `update metering.meter_events set replaces_id = '${other}' where id = '${replacement}'`,
    sentences: [new RegExp(`^meter event ${replacement} is not what the 1 that it replaces were$`)],
  },
  {
    breach: "an entry that moved on to the replacement",
    statement: `update metering.meter_outbox set meter_event_id = '${replacement}' where ${entryAt("12:10")}`,
    sentences: [
      new RegExp(`^meter event ${doubted} says quantity 1, 1 entries .* fold to , 0 and $`),
      new RegExp(`is stamped with meter event ${replacement}, which only replaces another$`),
    ],
  },
  {
    breach: "an event that is replaced and delivered",
    statement: `update metering.meter_events set state = 'delivered' where id = '${doubted}'`,
    sentences: [new RegExp(`^meter event ${doubted} is delivered, but replaced by ${replacement}$`)],
  },
  {
    breach: "an event that is replaced twice",
    statement: `insert into metering.meter_events (organization_id, id, meter, hour, quantity, event_at, entries,
        stripe_customer_id, replaces_id)
      select organization_id, '${other}', meter, hour, quantity, event_at, entries, stripe_customer_id, replaces_id
      from metering.meter_events where id = '${replacement}'`,
    sentences: [new RegExp(`^meter event ${other} is not what the 0 that it replaces were$`)],
  },
  {
    breach: "a part that Stripe has, which is not taken off",
    statement: `update metering.meter_events set counted_before = 1 where id = '${replacement}'`,
    sentences: [new RegExp(`^meter event ${replacement} is not what the 1 that it replaces were$`)],
  },
  {
    breach: "a part that Stripe has of nothing",
    statement: `update metering.meter_events set counted_before = 1 where id = '${sumEvent}'`,
    sentences: [new RegExp(`^meter event ${sumEvent} replaces nothing, but says that Stripe had 1 already$`)],
  },
  {
    breach: "an event that is replaced by none",
    statement: `update metering.meter_events set replaced_by_id = '${other}' where id = '${doubted}'`,
    sentences: [
      new RegExp(`^meter event ${replacement} is not what the 0 that it replaces were$`),
      new RegExp(`^meter event ${doubted} is superseded, but replaced by ${other}$`),
    ],
  },
  {
    breach: "more attempts finished than started",
    statement: `update metering.meter_events set attempts_finished = 2 where id = '${sumEvent}'`,
    sentences: [/^meter event \S+ finished 2 attempts, but started 1$/],
  },
  {
    breach: "an attempt that is recorded twice",
    statement: "insert into metering.delivery_attempts select * from metering.delivery_attempts",
    sentences: [/^attempt 1 at meter event \S+ is recorded 2 times$/],
  },
  {
    breach: "an attempt that was never started",
    statement: "update metering.delivery_attempts set attempt = 2",
    sentences: [/^attempt 2 at meter event \S+ was never started$/],
  },
  {
    breach: "a delivery without a time",
    statement: `update metering.meter_events set delivered_at = null where id = '${sumEvent}'`,
    sentences: [/^meter event \S+ is delivered, but does not say when$/],
  },
];

for (const { breach, statement, sentences } of breaches) {
  test(`${breach} is told`, async ({ database: { db, pool } }) => {
    await storeLawfulRowsAnd({ db, pool }, [statement].flat());
    const violations = await findViolations(db);
    const expected = sentences.map((sentence) => expect.stringMatching(sentence) as unknown);
    expect(violations).toEqual(expect.arrayContaining(expected));
    expect(violations).toHaveLength(sentences.length);
  });
}
