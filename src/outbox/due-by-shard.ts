import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db } from "../database/db.ts";
import type { NodesAway } from "../database/silent-nodes.ts";
import { hasShards, onEachShardGroup } from "../database/shard-groups.ts";
import type { Shards } from "../database/shards.ts";
import {
  type DueFilter,
  type DueOrganization,
  findSealedLast,
  listDueOnShard,
  listDueOrganizations,
  rotate,
} from "./due-organizations.ts";

/** `faults`: why the organizations of some shards are left out. */
export type Due = { queue: DueOrganization[]; faults: unknown[] };

/**
 * The organizations with entries to seal, in the order of their turns. On a cluster each shard is asked alone, so that a
 * node that is away leaves out its own organizations only, and is asked once for all meters: one that is silent takes a
 * statement's whole time.
 */
export async function listDue(
  { db, shards, nodesAway }: { db: Db; shards: Shards; nodesAway: NodesAway },
  filter: DueFilter,
): Promise<Due> {
  if (!(await hasShards(shards))) return { queue: await listDueOrganizations(db, filter), faults: [] };
  const only = filter.only === undefined ? undefined : [filter.only];
  const due = await onEachShardGroup(db, { shards, only, nodesAway }, ({ organizations }) =>
    listDueOnShard(
      db,
      filter,
      organizations.map(({ organizationId }) => organizationId),
    ),
  );
  const faults = [...due.errors];
  // One organization is in no round. Where the last round ended is on every node: while one is away, it begins anywhere.
  if (only !== undefined || nodesAway.size > 0) return { queue: due.done.flat(), faults };
  const last = await findSealedLast(db, filter.meter).catch((error: unknown) => {
    if (!isDatabaseUnavailable(error)) throw error;
    faults.push(error);
    return undefined;
  });
  const inOrder = due.done.flat().toSorted((a, b) => (a.organizationId < b.organizationId ? -1 : 1));
  return { queue: rotate(inOrder, last), faults };
}
