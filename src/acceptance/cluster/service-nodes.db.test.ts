import { sql } from "kysely";
import { expect, inject } from "vitest";
import { listNodes } from "../../database/cluster.ts";
import { createShards } from "../../database/shards.ts";
import { askThrough } from "../../database/shards-of.ts";
import { findFreePort } from "../../testing/net/free-port.ts";
import { findCitusOfMachine } from "../../testing/postgres/machine-cluster.ts";
import { until } from "../../testing/processes/until.ts";
import { findBillingViolations } from "../../testing/rows/billing-violations.ts";
import { readBooks } from "../../testing/stripe/simulator-books.ts";
import { skipTheLeases, untilDrained } from "../crash/drain.ts";
import { postUntilStopped } from "../crash/gateway.ts";
import { findLosses } from "../crash/ledger.ts";
import { addNode, moveTo } from "./move-shards.ts";
import { clusterTest as test } from "./service-site.ts";

/** Nodes can be killed here where they are those of the machine's own Postgres. */
const binaries = await findCitusOfMachine();
const isCluster = inject("testServer").cluster !== undefined;

const customerCount = 12;
const postEveryMs = 50;
const stripeLatencyMs = 200;
const patienceMs = 35_000;
const codes = ["database_unavailable", "outcome_unknown", "overloaded", "no answer"];

test.runIf(isCluster && binaries !== undefined)(
  "kills of a node, the API and a worker, an added node and moved shards, all under load: every reading answered 200 is billed once",
  { timeout: 700_000 },
  async ({ open }) => {
    if (binaries === undefined) throw new Error("the machine has no Citus");
    const site = await open({ binaries, customerCount, patienceMs, stripeLatencyMs });
    const { first, spare, simulator, untilStripeIsAsked, db, customers, ends } = site;
    const gateways = customers.map(({ gateway }) => gateway);
    const places = await createShards(askThrough(db)).find(customers.map((one) => one.organizationId));
    const isOnFirst = ({ organizationId }: { organizationId: string }) =>
      places.get(organizationId)?.node === `${first.host}:${first.port}`;
    const held = customers.filter(isOnFirst);
    const others = customers.filter((one) => !isOnFirst(one));
    // Started again on the same port, so that its gateways find it.
    const port = await findFreePort();
    let api = await site.startApi(port);
    let { worker } = site;

    const loading = new AbortController();
    const load = Promise.all(
      gateways.map((gateway) =>
        postUntilStopped([gateway], { apiUrl: api.url(), everyMs: postEveryMs, signal: loading.signal }),
      ),
    );
    // A gateway with any other answer ends the load, and the wait.
    const eachAnswered = (some: typeof customers, status: number) =>
      Promise.race([load, Promise.all(some.map(({ untilAnswered }) => untilAnswered(status)))]);
    try {
      await eachAnswered(customers, 200);
      await untilStripeIsAsked();
      await first.halt("immediate");
      await eachAnswered(held, 503);
      await eachAnswered(others, 200);
      await untilStripeIsAsked();
      await worker.kill();
      await api.kill();
      [api, worker] = await Promise.all([site.startApi(port), site.startWorker()]);
      await eachAnswered(others, 200);
      await first.resume();
      await eachAnswered(customers, 200);

      await addNode(db, spare);
      await moveTo(db, spare, held[0]?.organizationId ?? "");
      await eachAnswered(customers, 200);
      await sql`select rebalance_table_shards()`.execute(db);
      await eachAnswered(customers, 200);
    } finally {
      loading.abort();
      await load;
    }
    await until(
      async () => !(await Promise.all(gateways.map(({ finish }) => finish(api.url())))).includes(false),
      { what: "every gateway to be answered" },
    );
    await worker.kill();
    // Otherwise the test would wait for what a killed worker began until a lease runs out.
    await skipTheLeases(db);
    await site.startWorker();
    await untilDrained(db, { withinMs: 60_000 });

    expect(held.length * others.length).toBeGreaterThan(0);
    expect((await listNodes(db)).map(({ shards }) => shards > 0)).toEqual([false, true, true, true]);
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
  },
);
