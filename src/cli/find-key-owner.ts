import type { Kysely } from "kysely";
import type { DB } from "../database/schema.ts";

/** The organization that an API key belongs to, by the key's id. */
export async function findKeyOwner(db: Kysely<DB>, keyId: string): Promise<string | undefined> {
  const key = await db
    .selectFrom("api_keys")
    .select("organization_id")
    .where("id", "=", keyId)
    .executeTakeFirst();
  return key?.organization_id;
}
