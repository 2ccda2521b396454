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
  let query = db
    .selectFrom("api_keys")
    .select(["id", "name", "prefix", "scopes", "created_at", "last_used_at", "revoked_at"])
    .where("organization_id", "=", organizationId);
  if (after !== undefined) query = query.where("id", ">", after);
  return query.orderBy("id").limit(limit).execute();
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
  const known = await db
    .selectFrom("api_keys")
    .select("id")
    .where("organization_id", "=", organizationId)
    .where("id", "=", keyId)
    .executeTakeFirst();
  return known !== undefined;
}
