import type { Pool } from "pg";
import { createShards, type Shard } from "../../database/shards.ts";

type Place = { id: string; shard: Shard };

/** As many ids have enough on each of the few shards of a test's cluster. */
const drawnMin = 40;

/** Adds organizations with a sensor `a` that lie on one shard. */
export async function addNeighbours(pool: Pool, count: number): Promise<string[]> {
  const drawn = await draw(pool, Math.max(drawnMin, 8 * count));
  const [largest = []] = shardsOf(drawn).toSorted((a, b) => b.length - a.length);
  return await addOrganizations(pool, largest.slice(0, count));
}

/** Adds three organizations with a sensor `a`: of a cluster the first two on one node, in a shard each, the third on another. */
export async function addScattered(pool: Pool): Promise<string[]> {
  const drawn = await draw(pool, drawnMin);
  const nodes = [...Map.groupBy(drawn, ({ shard }) => shard.node).values()].map(shardsOf);
  if (nodes.length === 1) return await addOrganizations(pool, drawn.slice(0, 3));
  const near = nodes.find((shards) => shards.length > 1);
  const far = nodes.find((shards) => shards !== near);
  const chosen = [near?.[0]?.[0], near?.[1]?.[0], far?.[0]?.[0]].filter((place) => place !== undefined);
  return await addOrganizations(pool, chosen);
}

async function draw(pool: Pool, count: number): Promise<Place[]> {
  const ask = async <Row extends object>(text: string, values: readonly unknown[]) =>
    (await pool.query<Row>(text, [...values])).rows;
  const rows = await ask<{ id: string }>("select gen_random_uuid() as id from generate_series(1, $1)", [
    count,
  ]);
  const shards = await createShards(ask).find(rows.map(({ id }) => id));
  return rows.flatMap(({ id }) => {
    const shard = shards.get(id);
    return shard === undefined ? [] : [{ id, shard }];
  });
}

function shardsOf(places: Place[]): Place[][] {
  return [...Map.groupBy(places, ({ shard }) => shard.id).values()];
}

async function addOrganizations(pool: Pool, places: Place[]): Promise<string[]> {
  const ids = places.map(({ id }) => id);
  await pool.query(
    "insert into metering.organizations (id, name) select id, 'Acme ' || n from unnest($1::uuid[]) with ordinality o (id, n)",
    [ids],
  );
  await pool.query(
    "insert into metering.sensors (organization_id, id) select id, 'a' from unnest($1::uuid[]) id",
    [ids],
  );
  return ids;
}
