import { randomBytes } from "node:crypto";
import { EventEmitter, on } from "node:events";
import { test as base } from "vitest";
import { openDatabase } from "../../database/pool.ts";
import type { Db } from "../../database/db.ts";
import { makeApiKey } from "../../http/api-key.ts";
import { silentLog } from "../../log.ts";
import { migrate } from "../../migrate/migrate.ts";
import { storeApiKey } from "../../organizations/api-keys.ts";
import { createRandom } from "../../simulator/random.ts";
import { startMachineCluster } from "../../testing/postgres/machine-cluster.ts";
import type { PostgresBinaries } from "../../testing/postgres/postgres-binaries.ts";
import { createDatabase, nameTestServer, urlOfDatabase } from "../../testing/net/test-server.ts";
import { startService } from "../../testing/processes/service-process.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { createGateway, type Gateway, type PostEnd } from "../crash/gateway.ts";

/** An organization, and the gateway that posts its readings. */
export type Sender = {
  organizationId: string;
  gateway: Gateway;
  /** Resolves at the gateway's next post that ends with this status. */
  untilAnswered: (status: number) => Promise<void>;
};

export type IntakeSiteOptions = { binaries: PostgresBinaries; senders: number; patienceMs: number };

const sensorId = "freezer-1";

/**
 * Vitest's `test` with an `open` for a cluster of its own, a coordinator and two workers, an API on it as a process, and
 * senders. A third node runs beside them with the same database, empty, to be added. All of it ends with the test.
 */
export const intakeTest = base.extend("open", async ({ task }, { onCleanup }) => {
  const undos: (() => Promise<void>)[] = [];
  onCleanup(async () => {
    for (const undo of undos.toReversed()) await undo();
  });
  return async ({ binaries, senders: count, patienceMs }: IntakeSiteOptions) => {
    const { coordinator, workers, stop } = await startMachineCluster(binaries, {
      settings: "fast",
      workers: 3,
    });
    undos.push(stop);
    const [first, second, spare] = workers;
    if (first === undefined || second === undefined || spare === undefined)
      throw new Error("a node is missing");
    const server = nameTestServer(coordinator.url, { coordinator, workers: [first, second] });
    const name = `${server.prefix}nodes`;
    await createDatabase(server, name);
    await createDatabase({ ...server, cluster: { coordinator: spare, workers: [] }, url: spare.url }, name);
    const url = urlOfDatabase(coordinator.url, name);
    await migrate({ databaseUrl: url, backend: "citus", log: silentLog });
    const { db, close } = openDatabase(
      {
        connectionString: url,
        applicationName: task.name,
        connectionsMax: 2,
        statementTimeoutMs: 0,
      },
      silentLog,
    );
    undos.push(close);
    const api = startService("api", {
      DATABASE_URL: url,
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_TOKEN: "operator-token-of-the-cluster-0123456789",
      STRIPE_WEBHOOK_SECRET: "whsec_of_the_cluster",
    });
    undos.push(api.kill);
    await api.started();
    const ends: PostEnd[] = [];
    const senders: Sender[] = [];
    for (let n = 1; n <= count; n += 1) senders.push(await addSender(db, { n, patienceMs, ends }));
    return { first, spare, api, db, senders, ends };
  };
});

/** `ends` grows with every post. */
async function addSender(
  db: Db,
  { n, patienceMs, ends }: { n: number; patienceMs: number; ends: PostEnd[] },
): Promise<Sender> {
  const organizationId = await addOrganization(db);
  const { key, prefix, keyHash } = makeApiKey(randomBytes(32));
  await storeApiKey(db, { organizationId, name: "gateway", prefix, keyHash, scopes: ["ingest"] });
  await db.insertInto("sensors").values({ organization_id: organizationId, id: sensorId }).execute();
  const answers = new EventEmitter().on("ended", (end: PostEnd) => ends.push(end));
  const gateway = createGateway({ key, sensorId, random: createRandom(n), answers, patienceMs });
  return { organizationId, gateway, untilAnswered: (status) => untilEnd(answers, status) };
}

async function untilEnd(answers: EventEmitter, status: number): Promise<void> {
  for await (const [end] of on(answers, "ended") as AsyncIterable<[PostEnd]>) {
    if (end.status === status) return;
  }
}
