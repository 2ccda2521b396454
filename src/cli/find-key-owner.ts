import type { Db } from "../database/db.ts";

/** The organization that an API key belongs to, by the key's id. */
export async function findKeyOwner(db: Db, keyId: string): Promise<string | undefined> {
  const key = await db
    .selectFrom("api_keys")
    .select("organization_id")
    .where("id", "=", keyId)
    .executeTakeFirst();
  return key?.organization_id;
}
