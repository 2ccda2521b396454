import { once } from "node:events";
import { expect, inject } from "vitest";
import { untilDrained } from "./testing/crash/drain.ts";
import { postUntilStopped } from "./testing/crash/gateway.ts";
import { findLosses } from "./testing/crash/ledger.ts";
import { outageTest as test } from "./testing/outage-site.ts";
import { readBooks } from "./testing/simulator-books.ts";
import { until } from "./testing/until.ts";

const image = inject("postgresImage");
const customerCount = 5;
const postEveryMs = 100;
/** More than the API has connections: some posts hang in one, and some wait for one. */
const impatientPosts = 15;
/** The API's statement timeout, and what its answer may take. */
const answeredWithinMs = 22_000;

test.runIf(image !== null)(
  "a Postgres that is stopped, killed, restarted and frozen under load loses no reading, bills none twice and ends no process",
  { timeout: 150_000 },
  async ({ open }) => {
    const { postgres, simulator, api, worker, db, customers, answers } = await open(
      image ?? "",
      customerCount,
    );
    const both = [api, worker];
    const gateways = customers.map(({ gateway }) => gateway);
    const loading = new AbortController();
    const load = postUntilStopped(gateways, {
      apiUrl: api.url(),
      everyMs: postEveryMs,
      signal: loading.signal,
    });
    const untilReadiness = (status: number) =>
      Promise.all(
        both.map((one) =>
          until(async () => (await fetch(`${one.url()}/readyz`)).status === status, {
            what: `readiness ${status}`,
          }),
        ),
      );
    async function through(outage: () => Promise<void>, end: () => Promise<void>): Promise<void> {
      await once(answers, "stored");
      await outage();
      await untilReadiness(503);
      await end();
      await untilReadiness(200);
      await once(answers, "stored");
    }

    let hanging: Promise<number[]> | undefined;
    try {
      await through(postgres.stop, postgres.start);
      await through(postgres.kill, postgres.start);
      await once(answers, "stored");
      await postgres.restart();
      await through(
        async () => {
          // Opens as many connections as there may be: a statement then hangs in each.
          expect(await postImpatiently(api.url(), customers)).toEqual(Array(impatientPosts).fill(422));
          await postgres.freeze();
          hanging = postImpatiently(api.url(), customers);
        },
        async () => {
          expect(await hanging).toEqual(Array(impatientPosts).fill(503));
          await postgres.thaw();
        },
      );
    } finally {
      loading.abort();
      await load;
    }
    await until(
      async () => !(await Promise.all(gateways.map(({ finish }) => finish(api.url())))).includes(false),
      { what: "every gateway to be answered" },
    );
    await untilDrained(db, { withinMs: 60_000 });

    const books = await readBooks(simulator.url());
    const accounts = customers.map(({ gateway, ...one }) => ({
      ...one,
      acknowledged: gateway.acknowledged(),
    }));
    expect(await findLosses({ db, simulator: books, workersMax: 1 }, accounts)).toEqual([]);
    expect(Math.min(...accounts.map(({ acknowledged }) => acknowledged.length))).toBeGreaterThan(0);

    await postgres.freeze();
    expect(await Promise.all(both.map((one) => one.stop()))).toEqual([0, 0]);
    await postgres.thaw();
  },
);

type Poster = { key: string };

/** Posts readings of an unknown sensor, all at once. Resolves with the statuses, and rejects for one that comes late. */
async function postImpatiently(apiUrl: string, customers: readonly Poster[]): Promise<number[]> {
  return Promise.all(
    Array.from({ length: impatientPosts }, async (_, n) => {
      const response = await fetch(`${apiUrl}/v1/readings`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${customers[n % customers.length]?.key}`,
          "content-type": "application/json",
        },
        body: JSON.stringify({ sensor_id: "unknown", recorded_at: new Date().toISOString(), temperature: 1 }),
        signal: AbortSignal.timeout(answeredWithinMs),
      });
      return response.status;
    }),
  );
}
