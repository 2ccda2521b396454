import { sql } from "kysely";
import { expect } from "vitest";
import { type Step, widest } from "../testing/plans/counting-pool.ts";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { localOnly } from "../testing/postgres/local-only.ts";

const local = test.skipIf(localOnly("a cluster sends the parts of the function to its nodes"));

const events = 1_000;
const rowsPerEventMax = 5;

local(
  "of many events that Stripe took and reported as failed, a retry looks at each a few times",
  async ({ database: { db, pool } }) => {
    await sql`
      with organization as (insert into metering.organizations (name) values ('Acme') returning id)
      insert into metering.meter_events (
        organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state, reason,
        attempts_started, attempts_finished, last_attempt_at
      )
      select o.id, metering.uuid_v7(clock_timestamp()), 'temperature_readings', h.hour, 5, h.hour, 1, 'cus_1', 'rejected',
        'meter_event_customer_not_found', 1, 1, h.hour
      from organization o, generate_series(1, ${events}::int) n,
        lateral (select date_trunc('hour', now(), 'UTC') - n * interval '1 hour' as hour) h
    `.execute(db);

    const client = await pool.connect();
    const rowsRead: number[] = [];
    client.on("notice", ({ message = "" }) => {
      const [, plan] = message.split("plan:\n");
      if (plan !== undefined) rowsRead.push(widest((JSON.parse(plan) as { Plan: Step }).Plan));
    });
    await client.query("load 'auto_explain'");
    await client.query(`
      begin;
      set local auto_explain.log_min_duration = 0;
      set local auto_explain.log_nested_statements = on;
      set local auto_explain.log_analyze = on;
      set local auto_explain.log_format = json;
      set local auto_explain.log_level = notice;
    `);
    const retried = await client.query(
      "select e.deliver_id from metering.retry_rejected_events(array(select id from metering.meter_events)) e",
    );
    await client.query("rollback");
    client.release(true);

    expect(retried.rows.filter(({ deliver_id: id }) => id !== null)).toHaveLength(events);
    expect(Math.max(...rowsRead)).toBeGreaterThanOrEqual(events);
    expect(Math.max(...rowsRead)).toBeLessThanOrEqual(rowsPerEventMax * events);
  },
);
