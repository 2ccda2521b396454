import { setTimeout as wait } from "node:timers/promises";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { migrate } from "../migrate/migrate.ts";
import { openDatabase } from "../database/pool.ts";
import type { Db } from "../database/db.ts";
import { silentLog } from "../log.ts";
import { signUp } from "../testing/rows/customer.ts";
import { startEmbeddedPostgres } from "../testing/postgres/embedded-postgres.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { type Service, startService } from "../testing/processes/service-process.ts";
import { openStripeAccount } from "../testing/stripe/stripe-account.ts";
import { until } from "../testing/processes/until.ts";
import { workerEnvironment } from "../testing/processes/worker-config.ts";
import { patienceMs } from "../testing/processes/patience.ts";

const adminToken = "operator-token-of-the-switchover-0123456789";
const backWithinMs = 5_000;
const gatewaysCount = 3;
const everyMs = 20;

type Post = { status: number; atMs: number; recordedAt: string };

/** An API and a worker as processes, on a server that can hand over to another one without ending a connection. */
async function openPlace() {
  const postgres = await startEmbeddedPostgres({ settings: "fast" });
  onTestFinished(postgres.stop);
  await migrate({ databaseUrl: postgres.url, log: silentLog });
  const way = { connectionString: postgres.url, applicationName: "switchover test", connectionsMax: 2 };
  const { db, close } = openDatabase(way, silentLog);
  onTestFinished(close);
  const account = await openStripeAccount({ name: "switchover" });
  onTestFinished(account.stop);
  const environment = {
    ...workerEnvironment({ databaseUrl: postgres.url, account }),
    PORT: "0",
    ADMIN_TOKEN: adminToken,
    STRIPE_WEBHOOK_SECRET: "whsec_of_the_switchover",
  };
  const launch = async (service: Service) => {
    const launched = startService(service, environment);
    onTestFinished(launched.kill);
    await launched.started();
    return launched;
  };
  const [api] = await Promise.all([launch("api"), launch("worker")]);
  const { id: customer } = await account.stripe.customers.create({ name: "Acme" });
  const signedUp = await signUp(api.url(), { adminToken, customer });
  return { db, account, apiUrl: api.url(), ...signedUp };
}

/** Every session is on the old server, which may only be read now, and so are those that begin. */
async function demote(db: Db): Promise<void> {
  await sql`alter system set default_transaction_read_only = on`.execute(db);
  await sql`select pg_reload_conf()`.execute(db);
}

/** Sessions that begin from now on are on the new writer; those that were there stay where they are. */
async function promoteAnother(db: Db): Promise<void> {
  await db.connection().execute(async (own) => {
    await sql`set default_transaction_read_only = off`.execute(own);
    await sql`
      do $$ begin execute format('alter database %I set default_transaction_read_only = off', current_database()); end $$
    `.execute(own);
  });
}

/** Posts one reading after the other, after any answer. Each has a moment of its own. */
async function postSteadily(
  { apiUrl, key, sensorId }: { apiUrl: string; key: string; sensorId: string },
  { posts, signal }: { posts: Post[]; signal: AbortSignal },
): Promise<void> {
  const beganAtMs = Date.now() - 3_600_000;
  for (let n = 0; !signal.aborted; n += 1) {
    const recordedAt = new Date(beganAtMs + n * 1_000).toISOString();
    const readings = [{ sensor_id: sensorId, recorded_at: recordedAt, temperature: 4.5 }];
    const { status } = await fetch(`${apiUrl}/v1/readings`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ readings }),
    });
    posts.push({ status, atMs: performance.now(), recordedAt: `${sensorId} ${recordedAt}` });
    await wait(everyMs);
  }
}

test.skipIf(localOnly("its own Postgres hands over to another writer; acceptance/cluster kills nodes"))(
  "after a switchover under load readings are stored again within five seconds of the new writer, and none is lost",
  { timeout: patienceMs(120_000) },
  async () => {
    const { db, account, apiUrl, key, sensors } = await openPlace();
    const posts: Post[] = [];
    const loading = new AbortController();
    const load = Promise.all(
      sensors
        .slice(0, gatewaysCount)
        .map((sensorId) => postSteadily({ apiUrl, key, sensorId }, { posts, signal: loading.signal })),
    );
    const answered = (status: number, sinceMs: number) =>
      posts.filter((post) => post.status === status && post.atMs > sinceMs);
    const readyz = async () => (await fetch(`${apiUrl}/readyz`)).status;
    let backAtMs: number;
    try {
      await until(() => answered(200, 0).length > 20, { what: "readings to be stored" });
      expect(await readyz()).toBe(200);

      await demote(db);
      await until(() => answered(503, 0).length > 100, { what: "readings to be refused" });
      expect(await readyz()).toBe(503);

      await promoteAnother(db);
      backAtMs = performance.now();
      await until(() => answered(200, backAtMs).length > 20, { what: "readings to be stored again" });
      await until(async () => (await readyz()) === 200, { what: "the API to be ready again" });
    } finally {
      loading.abort();
      await load;
    }
    const firstAtMs = answered(200, backAtMs)[0]?.atMs ?? Number.POSITIVE_INFINITY;
    expect(firstAtMs - backAtMs).toBeLessThan(backWithinMs);
    expect(new Set(posts.map(({ status }) => status))).toEqual(new Set([200, 503]));

    const counted = () => account.simulator.state().counted;
    const stored = await readStored(db);
    expect(answered(200, 0).filter(({ recordedAt }) => !stored.has(recordedAt))).toEqual([]);
    await until(async () => (await readDelivered(db)) === stored.size, {
      what: "every reading to be billed",
      // Sooner than a sweep comes round or a lease ends, which no slow machine puts off.
      withinMs: 25_000 / patienceMs(1),
      standing: async () => `${await readDelivered(db)} of ${stored.size}, ${counted()} events`,
    });
  },
);

async function readStored(db: Db): Promise<Set<string>> {
  const rows = await db.selectFrom("readings").select(["sensor_id", "recorded_at"]).execute();
  return new Set(rows.map((row) => `${row.sensor_id} ${row.recorded_at.toISOString()}`));
}

async function readDelivered(db: Db): Promise<number> {
  const { rows } = await sql<{ quantity: number }>`
    select coalesce(sum(quantity), 0)::int as quantity from metering.meter_events where state = 'delivered'
  `.execute(db);
  return rows[0]?.quantity ?? 0;
}
