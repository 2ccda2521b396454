import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { NewApiKey, Scope } from "../http/api-key.ts";
import { hasOrganization } from "./organizations.ts";

export type StoredKey = {
  id: string;
  name: string;
  prefix: string;
  scopes: string[];
  created_at: Date;
  last_used_at: Date | null;
  revoked_at: Date | null;
};

export type KeyToStore = Pick<NewApiKey, "prefix" | "keyHash"> & {
  organizationId: string;
  name: string;
  scopes: readonly Scope[];
};

export type KeyStored = { kind: "stored"; id: string } | { kind: "not_found" } | { kind: "archived" };

/** Stores a new key's hash and returns its id. An archived organization gets none. */
export async function storeApiKey(db: Db, key: KeyToStore): Promise<KeyStored> {
  const stored = await sql<{ id: string }>`
    insert into metering.api_keys (organization_id, name, prefix, key_hash, scopes)
    select id, ${key.name}, ${key.prefix}, ${key.keyHash}, ${[...key.scopes]}::text[]
    from metering.organizations
    where id = ${key.organizationId} and archived_at is null
    returning id
  `.execute(db);
  const [row] = stored.rows;
  if (row !== undefined) return { kind: "stored", ...row };
  return { kind: (await hasOrganization(db, key.organizationId)) ? "archived" : "not_found" };
}

/** An organization's keys, revoked ones too, in the order of their creation; at most `limit`. */
export async function listApiKeys(
  db: Db,
  { organizationId, after, limit }: { organizationId: string; after: string | undefined; limit: number },
): Promise<StoredKey[]> {
  let query = selectKeys(db, organizationId);
  if (after !== undefined) query = query.where("id", ">", after);
  return query.orderBy("id").limit(limit).execute();
}

/** The same for people: those that work before those that are revoked, and the newest first. */
export async function listWorkingKeysFirst(
  db: Db,
  { organizationId, limit }: { organizationId: string; limit: number },
): Promise<StoredKey[]> {
  return selectKeys(db, organizationId)
    .orderBy(sql`revoked_at is not null`)
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
}

/** An organization's key, revoked or not; undefined when it has none of that id. */
export async function findApiKey(
  db: Db,
  { organizationId, keyId }: { organizationId: string; keyId: string },
): Promise<StoredKey | undefined> {
  return selectKeys(db, organizationId).where("id", "=", keyId).executeTakeFirst();
}

/** How many keys of an organization work. */
export async function countWorkingKeys(db: Db, organizationId: string): Promise<number> {
  const counted = await sql<{ keys: number }>`
    select count(*)::int as keys from metering.api_keys
    where organization_id = ${organizationId} and revoked_at is null
  `.execute(db);
  return counted.rows[0]?.keys ?? 0;
}

function selectKeys(db: Db, organizationId: string) {
  return db
    .selectFrom("api_keys")
    .select(["id", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"])
    .where("organization_id", "=", organizationId);
}

/**
 * Revokes a key; the API refuses it within a second. False if the organization has no such key; true also the second
 * time.
 */
export async function revokeApiKey(
  db: Db,
  { organizationId, keyId }: { organizationId: string; keyId: string },
): Promise<boolean> {
  await db
    .updateTable("api_keys")
    .set({ revoked_at: sql<Date>`now()` })
    .where("organization_id", "=", organizationId)
    .where("id", "=", keyId)
    .where("revoked_at", "is", null)
    .execute();
  return (await findApiKey(db, { organizationId, keyId })) !== undefined;
}
