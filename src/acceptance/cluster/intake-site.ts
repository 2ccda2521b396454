import { randomBytes } from "node:crypto";
import { openDatabase } from "../../database/pool.ts";
import type { Db } from "../../database/db.ts";
import { makeApiKey } from "../../http/api-key.ts";
import { silentLog } from "../../log.ts";
import { storeApiKey } from "../../organizations/api-keys.ts";
import { createRandom } from "../../simulator/random.ts";
import type { PostgresBinaries } from "../../testing/postgres/postgres-binaries.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import type { PostEnd } from "../crash/gateway.ts";
import { createWatchedGateway, type WatchedGateway } from "../crash/watched-gateway.ts";
import { ownNodesTest } from "./own-nodes.ts";

/** An organization, and the gateway that posts its readings. */
export type Sender = WatchedGateway & { organizationId: string };

export type IntakeSiteOptions = { binaries: PostgresBinaries; senders: number; patienceMs: number };

const sensorId = "freezer-1";

/** Vitest's `test` with an `open` for a cluster of its own, an API on it as a process, and senders. */
export const intakeTest = ownNodesTest.extend("open", async ({ task, undo, launch, startNodes }) => {
  return async ({ binaries, senders: count, patienceMs }: IntakeSiteOptions) => {
    const { url, first, spare } = await startNodes(binaries);
    const { db, close } = openDatabase(
      {
        connectionString: url,
        applicationName: task.name,
        connectionsMax: 2,
        statementTimeoutMs: 0,
      },
      silentLog,
    );
    undo(close);
    const api = launch("api", {
      DATABASE_URL: url,
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_TOKEN: "operator-token-of-the-cluster-0123456789",
      STRIPE_WEBHOOK_SECRET: "whsec_of_the_cluster",
    });
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
  const organizationId = await addOrganization(db, { customer: `cus_${n}` });
  const { key, prefix, keyHash } = makeApiKey(randomBytes(32));
  await storeApiKey(db, { organizationId, name: "gateway", prefix, keyHash, scopes: ["ingest"] });
  await db.insertInto("sensors").values({ organization_id: organizationId, id: sensorId }).execute();
  const watched = createWatchedGateway({ key, sensorId, random: createRandom(n), patienceMs }, ends);
  return { organizationId, ...watched };
}
