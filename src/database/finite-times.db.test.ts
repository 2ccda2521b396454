import { sql } from "kysely";
import { expect } from "vitest";
import { emptyDatabaseTest } from "../testing/postgres/empty-database-fixture.ts";
import { createRecordingLog } from "../testing/processes/recording-log.ts";
import { migrate } from "../migrate/migrate.ts";
import { createMigrator } from "../migrate/migrations.ts";
import type { Db } from "./db.ts";

const organization = "00000000-0000-7000-8000-000000000001";
const event = "00000000-0000-7000-8000-00000000000a";
const values = [
  `readings values ('${organization}', 'a', $1, 4, '${event}')`,
  `meter_outbox (organization_id, occurred_at, id, meter, quantity)
    values ('${organization}', $1, '${event}', 'active_sensors', 1)`,
  `meter_events (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id)
    values ('${organization}', '${event}', 'active_sensors', $1, 1, $1, 1, 'cus_1')`,
  `meter_events (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, delivered_at)
    values ('${organization}', '${event}', 'active_sensors', '2026-11-01Z', 1, '2026-11-01Z', 1, 'cus_1', $1)`,
  `delivery_attempts (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict)
    values ('${organization}', '${event}', 1, $1, 1, 'retry')`,
  `sensor_counts values ('${organization}', $1, 1)`,
  `usage_keys values ('${organization}', 'k', '${event}', 'active_sensors', 1, $1)`,
  `customer_links (organization_id, linked_at, stripe_customer_id) values ('${organization}', $1, 'cus_1')`,
  `subscriptions (organization_id, status, current_period_end) values ('${organization}', 'active', $1)`,
  `stripe_events (event_id, event_type, livemode, payload, received_at) values ('evt_1', 'x', false, '{}', $1)`,
  `sensors (organization_id, id, registered_at) values ('${organization}', 'a', $1)`,
];
const checkViolation = { code: "23514" };

emptyDatabaseTest("no table takes a time that is none, nor a temperature", async ({ database }) => {
  const { pool } = database;
  await pool.query(`insert into metering.organizations (id, name) values ('${organization}', 'Acme')`);
  for (const into of values) {
    for (const time of ["-infinity", "infinity"]) {
      const insert = `insert into metering.${into.replaceAll("$1", `'${time}'`)}`;
      await expect(pool.query(insert), insert).rejects.toMatchObject(checkViolation);
    }
  }
  for (const temperature of ["NaN", "Infinity", "-Infinity"]) {
    const insert = `insert into metering.readings values ('${organization}', 'a', now(), '${temperature}', '${event}')`;
    await expect(pool.query(insert), insert).rejects.toMatchObject(checkViolation);
  }
});

/** Vitest's `test` with a database from before these rules. */
const test = emptyDatabaseTest.extend("before", async ({ empty }) => {
  await sql`create schema metering`.execute(empty.db);
  const { error } = await createMigrator(empty.db).migrateTo("0021_unsealed_by_meter");
  if (error !== undefined) throw error;
  await sql`
    select metering.create_partition(name, date_trunc('month', now(), 'UTC'))
    from unnest(array['meter_outbox', 'readings']) as t (name)
  `.execute(empty.db);
  await sql`
    with organizations as (insert into metering.organizations (id, name) values (${organization}, 'Acme'))
    insert into metering.meter_outbox (organization_id, occurred_at, id, meter, quantity)
    values
      (${organization}, '-infinity', ${event}, 'temperature_readings', 7),
      (${organization}, now(), ${event}, 'temperature_readings', 8)
  `.execute(empty.db);
  return empty;
});

test("an entry without a real time is moved away, and all rules hold for all rows", async ({ before }) => {
  const { log, events } = createRecordingLog();

  await migrate({ databaseUrl: before.url, log });

  const left = await before.db.selectFrom("meter_outbox").select("quantity").execute();
  const refused = await before.db.selectFrom("refused_entries").select("quantity").execute();
  expect([left, refused]).toEqual([[{ quantity: "8" }], [{ quantity: "7" }]]);
  expect(await countNotValid(before.db)).toBe(0);
  expect(events).not.toContainEqual(expect.objectContaining({ event: "constraint_not_valid" }));
  const deleting = before.db.deleteFrom("meter_outbox").execute();
  await expect(deleting).rejects.toThrow("is immutable");
});

test("other rows that break a rule stay, are warned of, and stop no migration", async ({ before }) => {
  await sql`insert into metering.readings values (${organization}, 'a', now(), 'NaN', ${event})`.execute(
    before.db,
  );
  const { log, events } = createRecordingLog();

  await migrate({ databaseUrl: before.url, log });

  const warned = events.filter((one) => one["event"] === "constraint_not_valid");
  expect(warned.length).toBeGreaterThan(0);
  expect(new Set(warned.map((one) => one["constraint"]))).toEqual(new Set(["readings_finite"]));
  await sql`delete from metering.readings`.execute(before.db);
  await migrate({ databaseUrl: before.url, log });
  expect(await countNotValid(before.db)).toBe(0);
});

async function countNotValid(db: Db): Promise<number> {
  const { rows } = await sql`
    select from pg_constraint where connamespace = 'metering'::regnamespace and not convalidated
  `.execute(db);
  return rows.length;
}
