import type { Db } from "../database/db.ts";

/** The names of organizations by their ids. */
export async function readOrganizationNames(
  db: Db,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const found = await db
    .selectFrom("organizations")
    .select(["id", "name"])
    .where("id", "in", [...new Set(ids)])
    .execute();
  return new Map(found.map(({ id, name }) => [id, name]));
}
