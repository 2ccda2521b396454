import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db } from "../database/db.ts";
import { listShardGroups } from "../database/shard-groups.ts";
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
 * node that is away leaves out its own organizations only.
 */
export async function listDue(db: Db, shards: Shards, filter: DueFilter): Promise<Due> {
  const due: Due = { queue: [], faults: [] };
  for (const shard of await listShardGroups(db, shards, filter)) {
    if (shard === undefined) return { ...due, queue: await listDueOrganizations(db, filter) };
    const ids = shard.organizations.map(({ organizationId }) => organizationId);
    await unlessAway(due.faults, async () => {
      due.queue.push(...(await listDueOnShard(db, filter, ids)));
    });
  }
  // The round goes on anywhere while its end cannot be read.
  let last: string | undefined;
  await unlessAway(due.faults, async () => {
    last = await findSealedLast(db, filter.meter);
  });
  const inOrder = due.queue.toSorted((a, b) => (a.organizationId < b.organizationId ? -1 : 1));
  return { ...due, queue: rotate(inOrder, last) };
}

async function unlessAway(faults: unknown[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isDatabaseUnavailable(error)) throw error;
    faults.push(error);
  }
}
