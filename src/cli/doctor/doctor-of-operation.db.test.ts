import { sql } from "kysely";
import { expect, inject } from "vitest";
import { unlinkCustomer } from "../../billing/subscriptions.ts";
import { doctorTest as test } from "../../testing/fixtures/doctor-fixture.ts";
import { holdOpen } from "../../testing/postgres/locks.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { addMeterEvent, ago, minuteMs } from "../../testing/rows/meter-events.ts";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";

const hasRoles = inject("testServer").roles !== undefined;
const hourMs = 60 * minuteMs;

test("that no worker and no API runs is found, and when the last was seen", async ({
  doctor,
  database: { db },
}) => {
  await sql`update metering.processes set stopped_at = now() where kind = 'api'`.execute(db);
  await sql`update metering.processes set seen_at = now() - interval '3 hours' where kind = 'worker'`.execute(
    db,
  );

  const { exitCode, out } = await doctor.examine();
  expect(exitCode).toBe(1);
  expect(out).toMatch(/^api +problem +none runs; the last was seen \d s ago\./m);
  expect(out).toMatch(/^worker +problem +none runs; the last was seen 3 hours ago\./m);

  await sql`delete from metering.processes`.execute(db);
  expect((await doctor.examine()).out).toMatch(/^worker +problem +none has ever run\./m);
});

test("old usage that is not sealed, and usage held for longer than six hours, are found", async ({
  doctor,
  database: { db },
}) => {
  await appendEntries(db, await addOrganization(db, { customer: "cus_1" }), [
    { at: ago(40 * minuteMs), quantity: 1 },
  ]);
  await appendEntries(db, await addOrganization(db), [{ at: ago(5 * hourMs), quantity: 1 }]);
  const { out } = await doctor.examine();
  expect(out).toMatch(/^alerts +problem +MeterOutboxUnsealedOld: .* has waited 40m/m);
  expect(out).not.toMatch(/MeterOutboxHeldOld/);

  await appendEntries(db, await addOrganization(db), [{ at: ago(7 * hourMs), quantity: 1 }]);
  expect((await doctor.examine()).out).toMatch(/MeterOutboxHeldOld: .* has been held for 7h/);
});

test("a locked table is found, and what other tables tell is told all the same", async ({
  doctor,
  database: { db, pool },
}) => {
  await sql`
    insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    values (gen_random_uuid(), 'freezer-1', now() + interval '2 years', 1, gen_random_uuid())
  `.execute(db);
  const release = await holdOpen(pool, "lock table metering.meter_events, metering.subscriptions");
  const examining = doctor.examine();
  await Promise.allSettled([examining]);
  await release();
  const { exitCode, out, err } = await examining;

  expect({ exitCode, err }).toEqual({ exitCode: 1, err: "" });
  for (const check of ["delivery", "linked customers", "alerts", "key mode"]) {
    expect(out).toMatch(
      new RegExp(
        `^${check} +problem +it could not be looked at: canceling statement due to lock timeout`,
        "m",
      ),
    );
  }
  expect(out).toMatch(/^partitions +problem +rows in the default ones: 1 of readings /m);
  expect(out).toMatch(/^meters +ok/m);
  expect((await doctor.examine()).out).not.toContain("could not be looked at");
});

test("posts that ALERT_WEBHOOK_URL does not take are found", async ({ doctor, database: { db } }) => {
  await sql`
    insert into metering.alerts (name, subject, began_at, attempts)
    values ('MeterOutboxInDoubt', '', now(), 2), ('MeterOutboxHeldOld', '', now(), 3)
  `.execute(db);
  const { exitCode, out } = await doctor.examine();
  expect(exitCode).toBe(1);
  expect(out).toMatch(
    /^alerts +problem +posts that ALERT_WEBHOOK_URL does not take: 1\. To do: the log event alert_post_failed/m,
  );

  await sql`update metering.alerts set began_told_at = now(), attempts = 0`.execute(db);
  expect((await doctor.examine()).out).not.toMatch(/^alerts +problem/m);
});

test("a linked customer that no worker can read is found", async ({ doctor, database: { db } }) => {
  const organization = await addOrganization(db);
  await linkCustomer(db, organization, { customer: "cus_unread" });
  const wantSince = (age: string) =>
    sql`update metering.subscriptions set read_wanted_at = now() - ${age}::interval`.execute(db);

  await wantSince("9 minutes");
  expect((await doctor.examine()).out).not.toMatch(/^linked customers +problem/m);
  await wantSince("11 minutes");
  expect((await doctor.examine()).out).toMatch(
    new RegExp(
      `^linked customers +problem +cus_unread of organization ${organization} could not be read at Stripe yet\\. To do: .*read-customer`,
      "m",
    ),
  );
});

test("reads that are used up are found, with the command that reads all the same", async ({
  doctor,
  database: { db },
}) => {
  await sql`
    insert into metering.reconcile_reads (day, reads, allowed) values ((now() at time zone 'UTC')::date, 9, 9)
  `.execute(db);
  const { out } = await doctor.examine();
  expect(out).toMatch(
    /^Stripe's sums +problem +today's reads are used up; 9 reads today\. To do: `node dist\/cli\.js reconcile --all --period last`/m,
  );
  expect(out).toMatch(/MeterOutboxReconcileReadsUsedUp: Today's reads/);
});

test("usage that no invoice will have is found", async ({ doctor, database: { db } }) => {
  const acme = await addOrganization(db);
  await appendEntries(db, acme, [{ at: ago(2 * hourMs), quantity: 9 }]);
  const periodStart = ago(hourMs);
  await linkCustomer(db, acme, { customer: "cus_1", periodStart, periodEnd: ago(-hourMs) });
  expect((await doctor.examine()).out).toMatch(
    /MeterOutboxUsageUninvoiced: 9 of temperature_readings will be on no invoice \(before_subscription\)/,
  );
});

test("usage that a final invoice lacks is found for 35 days after its period was closed", async ({
  doctor,
  database: { db },
}) => {
  const id = await addOrganization(db);
  await sql`
    insert into metering.billing_periods (
      organization_id, period_start, period_end, stripe_customer_id, books, closed_at, not_billed
    )
    values (
      ${id}, now() - interval '70 days', now() - interval '37 days', 'cus_1', 'equal', now() - interval '34 days',
      '{"temperature_readings": "7"}'
    )
  `.execute(db);
  expect((await doctor.examine()).out).toMatch(
    /^billing periods +problem +the final invoices of 1 lack usage/m,
  );

  await sql`update metering.billing_periods set closed_at = now() - interval '36 days'`.execute(db);
  expect((await doctor.examine({}, ["--verbose"])).out).toMatch(/^billing periods +ok /m);
});

test("a period that ended without an invoice and has usage is found, and one without usage awaits none", async ({
  doctor,
  database: { db },
}) => {
  const id = await addOrganization(db);
  await sql`
    insert into metering.billing_periods (
      organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id, books, not_billed
    )
    values (
      ${id}, now() - interval '30 days', now() - interval '2 days', 'cus_1', 'sub_1', 'equal',
      '{"temperature_readings": "7"}'
    )
  `.execute(db);
  expect((await doctor.examine()).out).toMatch(
    /^billing periods +problem +Stripe made no invoice for 1, which have usage\. To do/m,
  );
  await sql`update metering.billing_periods set books = 'different'`.execute(db);
  expect((await doctor.examine()).out).toMatch(
    /^billing periods +problem +Stripe made no invoice for 1, which have usage; Stripe's sums of 1 are not ours/m,
  );

  await sql`update metering.billing_periods set not_billed = null, books = 'equal'`.execute(db);
  const waiting = () => doctor.examine({}, ["--verbose"]);
  expect((await waiting()).out).toMatch(/^billing periods +ok +none is waiting/m);
  await sql`update metering.billing_periods set period_end = now() - interval '2 hours'`.execute(db);
  expect((await waiting()).out).toMatch(/^billing periods +ok +1 wait for their final invoice/m);
});

test("a draft that Stripe was to finalize a day ago is found", async ({ doctor, database: { db } }) => {
  const id = await addOrganization(db);
  await sql`
    insert into metering.billing_periods (
      organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id, books
    )
    values (${id}, now() - interval '30 days', now() - interval '2 days', 'cus_1', 'sub_1', 'equal')
  `.execute(db);
  await sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, status, invoiced, created_at, finalizes_at, read_began_at
    )
    select organization_id, 'in_1', period_start, 'cus_1', 'draft', '{}', period_end, period_end + interval '1 hour', now()
    from metering.billing_periods
  `.execute(db);
  expect((await doctor.examine()).out).toMatch(
    /^billing periods +problem +a person has to finalize the drafts of 1 at Stripe/m,
  );

  await sql`update metering.billing_invoices set finalizes_at = now() - interval '23 hours'`.execute(db);
  expect((await doctor.examine({}, ["--verbose"])).out).toMatch(
    /^billing periods +ok +1 wait for their final invoice/m,
  );
});

test("usage that two subscriptions bill is found, and that of two which follow each other is not", async ({
  doctor,
  database: { db },
}) => {
  const id = await addOrganization(db);
  const now = Date.now();
  const daysAgo = (days: number) => new Date(now - 24 * days * hourMs);
  const use = (at: number) =>
    addMeterEvent(db, {
      organization_id: id,
      event_at: daysAgo(at),
      state: "delivered",
      delivered_at: daysAgo(at),
    });
  const bill = async (
    subscription: string,
    { from, to, madeAt = to }: { from: number; to: number; madeAt?: number },
  ) => {
    await sql`
      insert into metering.billing_periods (
        organization_id, period_start, period_end, stripe_customer_id, stripe_subscription_id, books, closed_at
      )
      values (${id}, ${daysAgo(from)}, ${daysAgo(to)}, 'cus_1', ${subscription}, 'equal', now())
    `.execute(db);
    await sql`
      insert into metering.billing_invoices (
        organization_id, invoice_id, period_start, stripe_customer_id, stripe_subscription_id, status, invoiced, created_at,
        read_began_at
      )
      values (
        ${id}, ${`in_of_${subscription}`}, ${daysAgo(from)}, 'cus_1', ${subscription}, 'paid',
        '{"temperature_readings": "5", "active_sensors": "0"}', ${daysAgo(madeAt)}, now()
      )
    `.execute(db);
  };
  await use(20);
  await bill("sub_1", { from: 60, to: 30 });
  await bill("sub_2", { from: 30, to: 2 });
  // One that ended three days after the next one began, without usage in these, and one with an invoice of its period's first days.
  await bill("sub_3", { from: 40, to: 27 });
  await bill("sub_4", { from: 66, to: 15, madeAt: 50 });
  expect((await doctor.examine({}, ["--verbose"])).out).toMatch(/^billing periods +ok /m);

  await use(28);
  expect((await doctor.examine()).out).toMatch(
    /^billing periods +problem +two subscriptions or prices bill the same usage of 1/m,
  );
});

test("a linked organization whose sensors are not counted is found", async ({ doctor, database: { db } }) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  expect((await doctor.examine()).out).toMatch(/^billable +ok +every linked organization/m);
  await sql`update metering.subscriptions set status = 'past_due'`.execute(db);
  const line = `organization ${id} is linked to cus_1 and not billable \\(status past_due`;
  expect((await doctor.examine()).out).toMatch(new RegExp(`^billable +ok +${line}, 0 active sensors`, "m"));
  await sql`insert into metering.sensors (organization_id, id) values (${id}, 'a')`.execute(db);
  expect((await doctor.examine()).out).toMatch(
    new RegExp(`^billable +problem +${line}, 1 active sensors`, "m"),
  );
  const own = { BILLABLE_STATUSES: "active,past_due" };
  expect((await doctor.examine({ environment: own })).out).toMatch(/^billable +ok +every linked/m);
});

test("what a worker found wrong with a linked customer is found", async ({ doctor, database: { db } }) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  expect((await doctor.examine()).out).toMatch(/^linked customers +ok/m);
  await sql`update metering.subscriptions set customer_fault = 'other_mode'`.execute(db);
  const line = `^linked customers +problem +cus_1 of organization ${id} is of the other mode`;
  expect((await doctor.examine()).out).toMatch(new RegExp(line, "m"));
});

test("an organization whose customer Stripe deleted is found until it is linked again", async ({
  doctor,
  database: { db },
}) => {
  const id = await addOrganization(db, { customer: "cus_1" });
  await db.transaction().execute((trx) => unlinkCustomer(trx, "cus_1"));
  const line = new RegExp(`^linked customers +problem +cus_1 of organization ${id} was deleted`, "m");
  expect((await doctor.examine()).out).toMatch(line);

  await sql`update metering.organizations set archived_at = now()`.execute(db);
  expect((await doctor.examine()).out).not.toMatch(line);
  await sql`update metering.organizations set archived_at = null`.execute(db);
  expect((await doctor.examine()).out).toMatch(line);

  await linkCustomer(db, id, { customer: "cus_2" });
  expect((await doctor.examine({}, ["--verbose"])).out).toMatch(/^linked customers +ok/m);
});

test.runIf(hasRoles)(
  "with the worker's role the doctor lives, and names the missing rights",
  async ({ doctor, database }) => {
    const environment = { DATABASE_URL: database.as("worker").url };
    const { exitCode, out, err } = await doctor.examine({ environment });

    expect({ exitCode, err }).toEqual({ exitCode: 1, err: "" });
    expect(out).toMatch(/^rights +problem +the command line lacks .*select on metering\.api_keys/m);
    expect(out).toMatch(/^delivery +unchecked +permission denied for \w+ meter_event_total/m);
  },
);

test.runIf(hasRoles)(
  "an API that runs with the worker's role is found from outside",
  async ({ doctor, database }) => {
    await sql`insert into metering.processes (id, kind) values (gen_random_uuid(), 'api')`.execute(
      database.as("worker").db,
    );
    expect((await doctor.examine()).out).toMatch(
      /^rights +problem +the api runs as \S+worker, which lacks .*select on metering\.api_keys/m,
    );
  },
);

test("a database that may only be read is found", async ({ doctor, database }) => {
  const name = new URL(database.url).pathname.slice(1);
  await sql`alter database ${sql.id(name)} set default_transaction_read_only = on`.execute(database.db);
  expect((await doctor.examine()).out).toMatch(/^writable +problem +it is read-only\./m);
});

test("that nothing is sent on purpose is well, and that some workers send and some do not is a problem", async ({
  doctor,
  database: { db },
}) => {
  await sql`update metering.processes set transport = 'none' where kind = 'worker'`.execute(db);
  expect((await doctor.examine({}, ["--verbose"])).out).toMatch(
    /^sending +ok +nothing is sent on purpose .* pending: 0/m,
  );
  await sql`
    insert into metering.processes (id, kind, transport) values (gen_random_uuid(), 'worker', 'sync')
  `.execute(db);
  const mixed = await doctor.examine();
  expect(mixed.exitCode).toBe(1);
  expect(mixed.out).toMatch(/^sending +problem +some workers send nothing on purpose/m);
});
