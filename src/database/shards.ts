import type { SilentNodes } from "./silent-nodes.ts";

/** Where an organization's rows lie. */
export type Shard = {
  id: string;
  /** The node that holds it; the organizations of another node have nothing to do with its failures. */
  node: string;
};

export type Shards = {
  /** The organization's shard, if it need not be asked for. */
  known: (organizationId: string) => Shard | undefined;
  find: (organizationIds: readonly string[]) => Promise<ReadonlyMap<string, Shard>>;
  /** What is known of them may be wrong: a shard can move or be split. */
  forget: (organizationIds: readonly string[]) => void;
  /** Only where they are remembered. */
  silent?: SilentNodes;
};

type Places = ReadonlyMap<string, Shard>;

/** Runs a statement on the coordinator. */
export type Ask = <Row extends object>(text: string, values: readonly unknown[]) => Promise<Row[]>;

/** The one shard of a plain Postgres. */
export const wholeDatabase: Shard = { id: "", node: "" };

const knownMs = 600_000;
/** More are remembered only of organizations that are asked for together, as all of a cluster's are. */
const usualKnownMax = 100_000;

/** The condition, in SQL, that the database is one of a cluster. */
export const isClusterCondition = "to_regclass('pg_catalog.pg_dist_placement') is not null";
const isClusterStatement = `select ${isClusterCondition} as is_cluster`;

// The tables of organizations lie beside each other, so that one of them tells the node of all.
const shardsStatement = `
select o.id, o.shard::text as shard, n.nodename || ':' || n.nodeport as node
from (
  select id, get_shard_id_for_distribution_column('metering.sensors', id) as shard from unnest($1::uuid[]) o (id)
) o
join pg_dist_placement p on p.shardid = o.shard
join pg_dist_node n on n.groupid = p.groupid and n.noderole = 'primary'
`;

/**
 * Tells the shard of each organization, and remembers it for ten minutes; of a plain Postgres, one shard for all. An
 * answer that is out of date makes a statement reach two shards, which is slower and as exact.
 */
export function createShards(
  ask: Ask,
  now: () => number = () => performance.now(),
  knownMax = usualKnownMax,
): Shards {
  let isCluster: boolean | undefined;
  const shards = new Map<string, { shard: Shard; untilMs: number }>();
  let wanted: { ids: Set<string>; learned: Promise<Places> } | undefined;

  function known(organizationId: string): Shard | undefined {
    if (isCluster === false) return wholeDatabase;
    const found = shards.get(organizationId);
    return found === undefined || found.untilMs < now() ? undefined : found.shard;
  }

  async function learn(organizationIds: ReadonlySet<string>): Promise<Places> {
    isCluster ??= (await ask<{ is_cluster: boolean }>(isClusterStatement, []))[0]?.is_cluster === true;
    const places = new Map<string, Shard>();
    const unknown: string[] = [];
    for (const id of organizationIds) {
      const shard = known(id);
      if (shard === undefined) unknown.push(id);
      else places.set(id, shard);
    }
    if (unknown.length === 0) return places;
    const found = await readShards(ask, unknown);
    if (shards.size + found.size > knownMax) forgetOthers(organizationIds);
    const untilMs = now() + knownMs;
    for (const [id, shard] of found) {
      places.set(id, shard);
      shards.set(id, { shard, untilMs });
    }
    return places;
  }

  function forgetOthers(organizationIds: ReadonlySet<string>): void {
    for (const id of shards.keys()) if (!organizationIds.has(id)) shards.delete(id);
  }

  /** Those who ask in one turn of the event loop ask together. */
  function learnTogether(organizationIds: readonly string[]): Promise<Places> {
    wanted ??= openWanted();
    for (const id of organizationIds) wanted.ids.add(id);
    return wanted.learned;
  }

  function openWanted() {
    const ids = new Set<string>();
    const learned = new Promise((resolve) => setImmediate(resolve)).then(() => {
      wanted = undefined;
      return learn(ids);
    });
    return { ids, learned };
  }

  return {
    known,
    async find(organizationIds) {
      const places = await learnTogether(organizationIds);
      return new Map(organizationIds.map((id) => [id, placeOf(id, places)]));
    },
    forget(organizationIds) {
      for (const id of organizationIds) shards.delete(id);
    },
  };
}

function placeOf(organizationId: string, places: Places): Shard {
  const shard = places.get(organizationId);
  if (shard === undefined) throw new Error(`no node holds the rows of organization ${organizationId}`);
  return shard;
}

/** The shard of each of these organizations of a cluster, asked now; without those whose shard no node holds. */
export async function readShards(
  ask: Ask,
  organizationIds: readonly string[],
): Promise<ReadonlyMap<string, Shard>> {
  const rows = await ask<{ id: string; shard: string; node: string }>(shardsStatement, [organizationIds]);
  return new Map(rows.map(({ id, shard, node }) => [id, { id: shard, node }]));
}

/** What concerns organizations, by their shard. */
export function groupByShard<T>(items: readonly T[], shardOf: (item: T) => Shard): [Shard, T[]][] {
  const shards = new Map(items.map((item) => [shardOf(item).id, shardOf(item)]));
  const groups = Map.groupBy(items, (item) => shardOf(item).id);
  return [...shards].map(([id, shard]) => [shard, groups.get(id) ?? []]);
}
