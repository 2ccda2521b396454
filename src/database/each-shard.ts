import { isHeldByLock, isDatabaseUnavailable } from "./database-unavailable.ts";
import { groupByShard, type Shards, wholeDatabase } from "./shards.ts";
import type { NodesAway } from "./silent-nodes.ts";

type OfOrganization = { organizationId: string };

/** `failed`: those whose shard failed or cannot be reached; `errors`: why, for each of these shards. */
export type EachShard<T, R> = { done: R[]; failed: T[]; errors: unknown[] };

/**
 * Runs `work` for what concerns organizations: at once where there are no shards, and throws its errors. On a cluster shard
 * by shard: one that fails leaves out its own organizations only, and a node that cannot be reached is not asked again in
 * this call, nor in others that are given the same `nodesAway`, nor in any until it answers where the shards remember
 * silent nodes. Throws where all failed.
 */
export async function onEachShard<T, R>(
  shards: Shards | undefined,
  items: readonly T[],
  {
    keyOf,
    work,
    nodesAway = nodesAwayOf(shards),
  }: {
    keyOf: (item: T) => OfOrganization;
    work: (items: T[], isOneShard: boolean) => Promise<R>;
    nodesAway?: NodesAway | undefined;
  },
): Promise<EachShard<T, R>> {
  const result: EachShard<T, R> = { done: [], failed: [], errors: [] };
  if (shards === undefined) return { ...result, done: [await work([...items], false)] };
  const ids = new Set(items.map((item) => keyOf(item).organizationId));
  const areKnown = [...ids].every((id) => shards.known(id) !== undefined);
  const found = areKnown ? undefined : await shards.find([...ids]);
  const shardOf = (item: T) =>
    found?.get(keyOf(item).organizationId) ?? shards.known(keyOf(item).organizationId) ?? wholeDatabase;
  for (const [shard, group] of groupByShard(items, shardOf)) {
    if (shard === wholeDatabase) {
      result.done.push(await work(group, false));
    } else if (nodesAway.has(shard.node)) {
      result.failed.push(...group);
      result.errors.push(nodesAway.get(shard.node));
    } else {
      try {
        result.done.push(await work(group, true));
      } catch (error) {
        const [first] = group;
        if (first !== undefined && isDatabaseUnavailable(error) && !isHeldByLock(error)) {
          nodesAway.set(shard.node, error);
          shards.silent?.suspect(shard.node, { ...keyOf(first), error });
        }
        result.failed.push(...group);
        result.errors.push(error);
      }
    }
  }
  if (result.done.length === 0 && result.errors.length > 0) throw result.errors[0];
  return result;
}

/** The nodes that are known to be silent. */
export function nodesAwayOf(shards: Shards | undefined): NodesAway {
  return shards?.silent?.list() ?? new Map();
}
