import type { Comparison } from "../comparison.ts";
import { fillDatabase } from "../load/stored-readings.ts";
import { ask, createOurDatabase, type Site } from "../site/site.ts";

const bench = "disk";
const bytesPerMib = 1_024 ** 2;
type Part = { name: string; bytes: string };

/**
 * The disk that a million readings take with their entries, meter events and attempts, and each index, as they arrive: ten
 * readings in a request, of 100 organizations with 100 sensors each.
 */
export async function benchDisk(site: Site): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "disk");
  await fillDatabase(site, url, 1);
  const parts = await readParts(url);
  await ask(url, "reindex table metering.readings");
  const packed = (await readParts(url)).filter(({ name }) => name === "readings by readings_pkey");
  const named = [...parts, ...packed.map(({ name, bytes }) => ({ name: `${name}, built again`, bytes }))];
  for (const { name, bytes } of named) console.error(`${name}: ${(Number(bytes) / bytesPerMib).toFixed(2)}`);
  const all = parts.reduce((sum, { bytes }) => sum + Number(bytes), 0);
  return named.map(({ name, bytes }) => ({
    bench,
    what: `a million readings and their 100,000 meter events: ${name}`,
    unit: "MiB",
    ours: [Number(bytes) / bytesPerMib],
    peer: "all together",
    theirs: [all / bytesPerMib],
  }));
}

/** Tables with what usage writes, and their indexes; the months of each together. Empty ones are left out. */
async function readParts(url: string): Promise<Part[]> {
  return ask<Part>(
    url,
    `with tables as (
       select t.name, c.oid
       from unnest(array['readings', 'meter_outbox', 'meter_events', 'delivery_attempts']) t (name)
       join pg_class root on root.relname = t.name and root.relnamespace = 'metering'::regnamespace
       cross join lateral (
         select relid as oid from pg_partition_tree(root.oid) where isleaf
         union all select root.oid where root.relkind = 'r'
       ) leaf
       join pg_class c on c.oid = leaf.oid
     ),
     parts as (
       select name, name as part, pg_table_size(oid) as bytes from tables
       union all
       select t.name, t.name || ' by ' || coalesce(p.relname, i.relname), pg_relation_size(i.oid)
       from tables t
       join pg_index x on x.indrelid = t.oid
       join pg_class i on i.oid = x.indexrelid
       left join pg_inherits h on h.inhrelid = i.oid
       left join pg_class p on p.oid = h.inhparent
     )
     select part as name, sum(bytes)::text as bytes
     from parts
     where bytes > 8192
     group by name, part
     order by name, part <> name, part`,
  );
}
