import { deserialize, serialize } from "node:v8";
import pg from "pg";
import { migrate } from "../../../src/migrate/migrate.ts";
import { silentLog } from "../../../src/log.ts";
import { ask, createOurDatabase, type Site } from "./site.ts";

type Seeded<T> = { url: string; seed: T };

/**
 * A database with our schema and what `fill` puts into it. With `--seed-folder` the filled database stays there, what `fill`
 * has returned beside it as its comment, and each run works on a copy, migrated to today's schema.
 */
export async function seededDatabase<T>(
  site: Site,
  name: string,
  fill: (url: string) => Promise<T>,
): Promise<Seeded<T>> {
  if (site.seedFolder === undefined) {
    const url = await createOurDatabase(site, name);
    return { url, seed: await fill(url) };
  }
  const kept = `${name}_seed`;
  const seed = (await readSeed<T>(site, kept)) ?? (await keepSeed(site, kept, fill));
  console.error(`${name}: works on a copy of ${kept}`);
  const url = await site.createDatabase(name, { template: kept });
  await migrate({ databaseUrl: url, log: silentLog });
  return { url, seed };
}

async function readSeed<T>(site: Site, kept: string): Promise<T | undefined> {
  const [row] = await ask<{ seed: string | null }>(
    site.postgresUrl,
    "select shobj_description(oid, 'pg_database') as seed from pg_database where datname = $1",
    [kept],
  );
  // Without its comment it was not filled to the end.
  return typeof row?.seed === "string" ? (deserialize(Buffer.from(row.seed, "base64")) as T) : undefined;
}

async function keepSeed<T>(site: Site, kept: string, fill: (url: string) => Promise<T>): Promise<T> {
  const seed = await fill(await createOurDatabase(site, kept));
  const text = pg.escapeLiteral(serialize(seed).toString("base64"));
  await ask(site.postgresUrl, `comment on database ${pg.escapeIdentifier(kept)} is ${text}`);
  return seed;
}
