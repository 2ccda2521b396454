import { expect, inject } from "vitest";
import { findBillingViolations } from "../testing/rows/billing-violations.ts";
import { skipTheLeases, untilDrained } from "./crash/drain.ts";
import { postUntilStopped } from "./crash/gateway.ts";
import { findLosses } from "./crash/ledger.ts";
import { localOnly } from "../testing/postgres/local-only.ts";
import { outageTest as test } from "../testing/postgres/outage-site.ts";
import type { ServiceProcess } from "../testing/processes/service-process.ts";
import { readBooks } from "../testing/stripe/simulator-books.ts";
import { patienceMs } from "../testing/processes/patience.ts";
import { until } from "../testing/processes/until.ts";

const image = inject("postgresImage");
/** More than the API has connections. */
const customerCount = 12;
const postEveryMs = 50;
const stripeLatencyMs = 800;
/** How long a request may wait for a connection and for its statement, and more on a busy machine. */
const answerWithinMs = 25_000 + patienceMs(10_000);
const codes = ["database_unavailable", "outcome_unknown", "overloaded"];

test.runIf(
  image !== null && !localOnly("its own Postgres is stopped and frozen; acceptance/cluster kills nodes"),
)(
  "a Postgres that is stopped, killed, restarted and frozen under load loses no reading, bills none twice and ends no process",
  { timeout: patienceMs(240_000) },
  async ({ open }) => {
    const site = await open({
      image: image ?? "",
      customerCount,
      patienceMs: answerWithinMs,
      stripeLatencyMs,
    });
    const { postgres, simulator, untilStripeIsAsked, api, db, customers, ends } = site;
    const gateways = customers.map(({ gateway }) => gateway);
    const leaving = [site.worker, await site.startApi()];

    const loading = new AbortController();
    const load = Promise.all(
      // Each at its own pace, so that a gateway that waits holds up no other.
      gateways.map((gateway) =>
        postUntilStopped([gateway], { apiUrl: api.url(), everyMs: postEveryMs, signal: loading.signal }),
      ),
    );
    // A gateway with any other answer ends the load, and the wait.
    const eachAnswered = (status: number) =>
      Promise.race([load, Promise.all(customers.map(({ untilAnswered }) => untilAnswered(status)))]);
    let survivor: ServiceProcess;
    try {
      await eachAnswered(200);
      await untilStripeIsAsked();
      await postgres.freeze();
      const left = Promise.all(leaving.map((one) => one.stop()));
      await eachAnswered(503);
      expect(await left).toEqual([0, 0]);
      await postgres.thaw();
      await eachAnswered(200);
      await skipTheLeases(db);
      survivor = await site.startWorker();
      await untilStripeIsAsked();
      for (const end of [postgres.kill, postgres.stop]) {
        await end();
        await eachAnswered(503);
        await postgres.start();
        await eachAnswered(200);
      }
      await postgres.restart();
      await eachAnswered(200);
    } finally {
      loading.abort();
      await load;
    }
    await until(
      async () => !(await Promise.all(gateways.map(({ finish }) => finish(api.url())))).includes(false),
      { what: "every gateway to be answered" },
    );
    expect(await survivor.stop()).toBe(0);
    // Otherwise the test would wait for a job of the moment of the outage until a cron revives it, within a minute.
    await skipTheLeases(db);
    await site.startWorker();
    await untilDrained(db, { withinMs: 60_000 });

    const ways = new Set(ends.map(({ status, code }) => (status === 200 ? "stored" : (code ?? "no answer"))));
    expect([...ways].filter((way) => way !== "stored" && !codes.includes(way))).toEqual([]);
    const books = await readBooks(simulator.url());
    const accounts = customers.map(({ gateway, organizationId, customer }) => ({
      organizationId,
      customer,
      acknowledged: gateway.acknowledged(),
    }));
    expect(await findLosses({ db, simulator: books, workersMax: 2 }, accounts)).toEqual([]);
    expect(await findBillingViolations(db, { simulator: books })).toEqual([]);
    expect(await api.stop()).toBe(0);
  },
);
