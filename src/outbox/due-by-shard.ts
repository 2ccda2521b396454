import { sql } from "kysely";
import { isDatabaseUnavailable } from "../database/database-unavailable.ts";
import type { Db } from "../database/db.ts";
import { type Shards, wholeDatabase } from "../database/shards.ts";
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
  const [plain] = [...(await shards.find([anyId])).values()];
  if (plain === wholeDatabase) return { queue: await listDueOrganizations(db, filter), faults: [] };
  const due: Due = { queue: [], faults: [] };
  for (const ids of await groupByShard(db, shards, filter.only)) {
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

/** Every id has a shard, whether an organization has it or not. */
const anyId = "00000000-0000-0000-0000-000000000000";

async function groupByShard(db: Db, shards: Shards, only: string | undefined): Promise<string[][]> {
  const all = await sql<{ id: string }>`
    select id from metering.organizations where coalesce(id = ${only ?? null}::uuid, true)
  `.execute(db);
  const ids = all.rows.map(({ id }) => id);
  const found = await shards.find(ids);
  return [...Map.groupBy(ids, (id) => found.get(id)?.id).values()];
}

async function unlessAway(faults: unknown[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isDatabaseUnavailable(error)) throw error;
    faults.push(error);
  }
}
