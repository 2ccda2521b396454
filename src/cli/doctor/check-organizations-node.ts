import { readClusterVersion } from "../../database/cluster.ts";
import type { Db } from "../../database/db.ts";
import { readShards } from "../../database/shards.ts";
import { askThrough } from "../../database/shards-of.ts";
import { type Finding, ok, problem } from "../../monitoring/checks/finding.ts";
import { findOrganization } from "../organization-argument.ts";

const check = "organization's node";

/** Names the node that an organization's rows lie on, by its id or `external:` and its external id. */
export async function checkOrganizationsNode(db: Db, reference: string): Promise<Finding> {
  const organizationId = await findOrganization(db, reference);
  if (organizationId === undefined) {
    return problem(check, "there is no such organization", "`organization list` names them all");
  }
  if ((await readClusterVersion(db)) === undefined) return ok(check, "this server: it is no cluster");
  const shard = (await readShards(askThrough(db), [organizationId])).get(organizationId);
  if (shard !== undefined) return ok(check, `${shard.node}, shard ${shard.id} of the sensors`);
  return problem(check, "no node has its shard", "ask `select * from citus_shards` on the coordinator");
}
