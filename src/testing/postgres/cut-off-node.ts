import { Client, escapeIdentifier } from "pg";
import { inject } from "vitest";
import type { Db } from "../../database/db.ts";
import { shardsOf } from "../../database/shards-of.ts";
import { until } from "../processes/until.ts";
import { addOrganization } from "../rows/organizations.ts";

type OfCluster = { url: string; db: Db };

/** The node of an organization's rows. */
async function nodeOf(db: Db, organizationId: string): Promise<string> {
  return (await shardsOf(db).find([organizationId])).get(organizationId)?.node ?? "";
}

/** Adds an organization whose rows lie on the same node as another's, or on another node. */
export async function addOnNode(db: Db, organizationId: string, which: "same" | "other"): Promise<string> {
  const node = await nodeOf(db, organizationId);
  for (;;) {
    const id = await addOrganization(db);
    if (((await nodeOf(db, id)) === node) === (which === "same")) return id;
  }
}

/**
 * Lets the database's own node of an organization take no session any more, as if it were away. Returns what brings it back, and
 * waits until `db` has asked it again.
 */
export async function cutOffNode(
  { url, db }: OfCluster,
  organizationId: string,
): Promise<() => Promise<void>> {
  const node = await nodeOf(db, organizationId);
  const workers = inject("testServer").cluster?.workers ?? [];
  const { url: nodeUrl } = workers.find(({ host, port }) => `${host}:${port}` === node) ?? {};
  const name = new URL(url).pathname.slice(1);
  const allow = async (isAllowed: boolean) => {
    const client = new Client({ connectionString: nodeUrl });
    await client.connect();
    try {
      await client.query(`alter database ${escapeIdentifier(name)} allow_connections ${isAllowed}`);
      const end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1";
      if (!isAllowed) await client.query(end, [name]);
    } finally {
      await client.end();
    }
  };
  await allow(false);
  return async () => {
    await allow(true);
    await until(() => db.shards?.silent?.list().size === 0, { what: "the node to be asked again" });
  };
}
