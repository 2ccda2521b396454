import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { expect, inject } from "vitest";
import { pauseDelivery, trip } from "../../delivery/pauses.ts";
import { distribute } from "../../migrate/distribute.ts";
import { runOnNodes } from "../../testing/postgres/on-nodes.ts";
import { shareCustomer } from "../../testing/rows/shared-customer.ts";
import { doctorTest as test } from "../../testing/fixtures/doctor-fixture.ts";

const secretWords = /sk_(test|live)_\w+|hunter2/;

const { roles } = inject("testServer");
const checksOfClusters =
  inject("testServer").cluster === undefined
    ? []
    : ["nodes", "shards", "triggers on shards", "settings of nodes"];
const checks = 30 + checksOfClusters.length;
const allIsWell = `all is well (${checks} checks)`;
const onCluster = test.runIf(checksOfClusters.length > 0);

test("the doctor is quiet when all is well", async ({ doctor, road }) => {
  await road.join();
  expect(await doctor.examine()).toEqual({ exitCode: 0, out: `${allIsWell}\n`, err: "" });
});

test("everything that was looked at is named on demand, one line each", async ({ doctor, road }) => {
  await road.join();
  const { exitCode, out } = await doctor.examine({}, ["--verbose"]);
  const lines = out.trimEnd().split("\n");

  expect(exitCode).toBe(0);
  expect(lines.slice(1, -2).map((line) => line.split(/ {2,}/).slice(0, 2))).toEqual(
    [
      "database",
      "sessions",
      "writable",
      "durability",
      "encoding",
      "migrations",
      "pg-boss",
      ...checksOfClusters,
      "rights",
      "triggers",
      "api",
      "worker",
      "partitions",
      "sending",
      "in doubt",
      "rejected",
      "webhook events",
      "shared customers",
      "linked customers",
      "billable",
      "Stripe's sums",
      "billing periods",
      "alerts",
      "stripe",
      "clock",
      "key mode",
      "meters",
      "permissions",
      "invoices",
      "webhook endpoint",
      "webhook deliveries",
    ].map((check) => [check, "ok"]),
  );
  expect(lines.at(-1)).toBe(allIsWell);
});

test("the node of an organization is named, and that there is no such organization", async ({
  doctor,
  road,
}) => {
  const { id } = await road.join();

  const known = await doctor.examine({}, ["--organization", id]);

  expect(known.exitCode).toBe(0);
  expect(known.out).toMatch(/^organization's node +ok +(this server: it is no cluster|\S+:\d+, shard \d+)/m);
  for (const reference of ["external:none", randomUUID()]) {
    const unknown = await doctor.examine({}, ["--organization", reference]);
    expect(unknown.exitCode, reference).toBe(1);
    expect(unknown.out).toMatch(/^organization's node +problem +there is no such organization/m);
  }
});

onCluster("a table or function that is not distributed is found", async ({ doctor, database: { db } }) => {
  await sql`select undistribute_table('metering.refused_entries')`.execute(db);
  await sql`
    update pg_dist_object set distribution_argument_index = null where objid = 'metering.store_readings'::regproc
  `.execute(db);

  const { exitCode, out } = await doctor.examine();
  expect(exitCode).toBe(1);
  expect(out).toMatch(
    /^shards +problem +not distributed: refused_entries, store_readings\. To do: run `node dist\/migrate\.js`/m,
  );
});

onCluster("a node that allows no triggers on shards is found", async ({ doctor, database: { db, url } }) => {
  const name = new URL(url).pathname.slice(1);
  await sql`alter database ${sql.id(name)} set citus.enable_unsafe_triggers = off`.execute(db);

  const { exitCode, out } = await doctor.examine();
  expect(exitCode).toBe(1);
  expect(out).toMatch(
    /^triggers on shards +problem +citus\.enable_unsafe_triggers is off at \S+:\d+\. To do: /m,
  );
});

onCluster(
  "a node that measures months otherwise, or commits before the disk has it, is found until it is migrated",
  async ({ doctor, database: { db, pool, url } }) => {
    const name = new URL(url).pathname.slice(1);
    await runOnNodes(pool, `alter database ${name} set TimeZone = 'America/Havana'`);
    await runOnNodes(pool, `alter database ${name} set synchronous_commit = off`);

    const { exitCode, out } = await doctor.examine();
    expect(exitCode).toBe(1);
    expect(out).toMatch(
      /^settings of nodes +problem +TimeZone = America\/Havana, synchronous_commit = off at \S+:\d+; .*\. To do: /m,
    );

    await distribute(db);
    expect((await doctor.examine({}, ["--verbose"])).out).toMatch(/^settings of nodes +ok /m);
  },
);

test.runIf(checksOfClusters.length > 0 && roles !== undefined)(
  "a role whose sessions on the nodes measure months otherwise is found",
  async ({ doctor, database: { db, url } }) => {
    const name = new URL(url).pathname.slice(1);
    const setting = "set TimeZone = 'America/Havana'";
    await sql.raw(`alter role ${roles?.worker.name} in database ${name} ${setting}`).execute(db);

    const { exitCode, out } = await doctor.examine();
    expect(exitCode).toBe(1);
    expect(out).toMatch(/^settings of nodes +problem +TimeZone = America\/Havana of role \w+ at \S+:\d+; /m);
  },
);

test("a missing migration is found", async ({ doctor, database: { db } }) => {
  const latest = sql`select max(name) from metering.kysely_migration`;
  await sql`delete from metering.kysely_migration where name = (${latest})`.execute(db);

  const { exitCode, out } = await doctor.examine();
  expect(exitCode).toBe(1);
  expect(out).toMatch(/^migrations +problem +missing: 0\d{3}_\w+\. To do: run `node dist\/migrate\.js`$/m);
  expect(out).toMatch(/^tables +unchecked /m);
});

test("a database that was never migrated is found", async ({ doctor, database: { db } }) => {
  await sql`drop schema metering cascade`.execute(db);
  await sql`drop schema pgboss cascade`.execute(db);

  const { exitCode, out } = await doctor.examine();
  expect(exitCode).toBe(1);
  expect(out).toMatch(/^migrations +problem +missing: 0001_schema, /m);
  expect(out).toMatch(/^pg-boss +problem +its schema is missing/m);
});

test("an older pg-boss is found", async ({ doctor, database: { db } }) => {
  await sql`update pgboss.version set version = version - 1`.execute(db);
  expect((await doctor.examine()).out).toMatch(/^pg-boss +problem +its schema is \d+, and \d+ is needed/m);
});

test("a database that cannot be reached is found, and Stripe is looked at all the same", async ({
  doctor,
}) => {
  const environment = { DATABASE_URL: "postgres://service:hunter2@127.0.0.1:1/metering" };
  const { exitCode, out, err } = await doctor.examine({ environment });

  expect({ exitCode, err }).toEqual({ exitCode: 1, err: "" });
  expect(out).toMatch(/^database +problem +the database cannot be reached/m);
  expect(out).toMatch(/^meters +ok/m);
  expect(out).not.toMatch(secretWords);
});

test("a partition of the next month that is missing is found", async ({ doctor, database: { db } }) => {
  const now = new Date();
  const next = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1));
  const name = `readings_${next.toISOString().slice(0, 7).replace("-", "_")}`;
  await sql`drop table ${sql.id("metering", name)}`.execute(db);

  const { out } = await doctor.examine({ now: () => now });
  expect(out).toMatch(new RegExp(`^partitions +problem +missing: ${name}\\.`, "m"));
});

test("a row in a default partition is found", async ({ doctor, database: { db } }) => {
  await sql`
    insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    values (gen_random_uuid(), 'freezer-1', now() + interval '2 years', 1, gen_random_uuid())
  `.execute(db);
  expect((await doctor.examine()).out).toMatch(
    /^partitions +problem +rows in the default ones: 1 of readings /m,
  );
});

test("a pause is found, whoever made it", async ({ doctor, database: { db } }) => {
  await pauseDelivery(db, "key rotation");
  const meterPause = { scope: "active_sensors", reason: "meter_unavailable", firstMs: 60_000, maxMs: 60_000 };
  await trip(db, meterPause, { isProbe: false });

  const detail = "account is paused: key rotation; active_sensors is paused: meter_unavailable";
  expect((await doctor.examine()).out).toMatch(new RegExp(`^sending +problem +${detail}`, "m"));
});

test("usage in doubt, usage refused and webhook events that failed or were refused are found", async ({
  doctor,
  events,
  account,
  database: { db },
}) => {
  account.simulator.addCustomers("cus_acme");
  await events.seal({ state: "in_doubt", quantity: 3 });
  await events.seal({ state: "rejected", quantity: 4, hours: 2 });
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, state)
    values
      ('evt_1', 'invoice.paid', false, '{}', 'failed'), ('evt_2', 'invoice.paid', false, '{}', 'pending'),
      ('evt_3', 'invoice.paid', true, '{}', 'refused'), ('evt_4', 'invoice.paid', true, '{}', 'refused')
  `.execute(db);

  const { exitCode, out } = await doctor.examine();
  expect(exitCode).toBe(1);
  expect(out).toMatch(/^in doubt +problem +meter events: 1, quantity 3; /m);
  expect(out).toMatch(/^rejected +problem +meter events: 1, quantity 4; /m);
  expect(out).toMatch(
    /^webhook events +problem +could not be handled: 1; of the other mode than the key: 2\. /m,
  );
  expect(out).toMatch(/MeterOutboxWebhookFailed: 3 webhook events of Stripe's could not be handled/);
  expect(out).toContain(`4 of ${checks} checks found a problem`);
});

test("a customer of two organizations, linked before that was refused, is found", async ({
  doctor,
  database: { db },
}) => {
  const [one, other] = await shareCustomer(db, "cus_shared");
  const { exitCode, out } = await doctor.examine();

  expect(exitCode).toBe(1);
  expect(out).toMatch(
    new RegExp(
      `^shared customers +problem +cus_shared pays for organizations ${one}, ${other}\\. To do: `,
      "m",
    ),
  );
});

test("a clock that is ten minutes off is found", async ({ doctor }) => {
  const now = () => new Date(Date.now() + 600_000);
  const { exitCode, out } = await doctor.examine({ now });

  expect(exitCode).toBe(1);
  // Stripe's clock tells whole seconds, and is read while the machine may stand still.
  expect(out).toMatch(/^clock +problem +this machine's is (59\d|60\d) s ahead\./m);
});

test("machines read the same as people", async ({ doctor, account }) => {
  await account.stripe.billing.meters.deactivate(account.meterIds.active_sensors);
  const { exitCode, out } = await doctor.examine({}, ["--json"]);

  expect(exitCode).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    healthy: false,
    checks: expect.arrayContaining([
      {
        check: "meters",
        state: "problem",
        detail: "active_sensors: it is inactive",
        remedy: expect.stringContaining("stripe setup"),
      },
    ]),
  });
});
