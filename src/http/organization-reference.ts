import { sql } from "kysely";
import { z } from "zod";
import type { Db } from "../database/db.ts";
import { notFound } from "./problem.ts";

const prefix = "external:";

/** An operator's own id for an organization. Its characters need no escaping in a path or query. */
export const externalIdSchema = z
  .string()
  .regex(/^[A-Za-z0-9._:@-]{1,128}$/, "must be 1 to 128 of A–Z a–z 0–9 . _ : @ -")
  .refine(
    (text) => !text.startsWith(prefix),
    `must come without ${prefix}, which only stands before it in a route`,
  );

/** The name of an organization in every route and command: its id, or `external:` and its external id. */
export const organizationReferenceSchema = z.union(
  [z.uuid(), z.string().regex(/^external:[A-Za-z0-9._:@-]{1,128}$/)],
  `must be a UUID, or ${prefix} and an external id`,
);

/** The path parameters of a route about one organization. */
export const organizationParams = z.object({ id: organizationReferenceSchema });

/**
 * The id that a reference stands for; undefined when no organization has the external id. A UUID is not looked up: the
 * statement that uses it finds out whether there is such an organization.
 */
export async function findOrganizationId(db: Db, reference: string): Promise<string | undefined> {
  if (!reference.startsWith(prefix)) return reference;
  const found = await sql<{ id: string }>`
    select id from metering.organizations where external_id = ${reference.slice(prefix.length)}
  `.execute(db);
  return found.rows[0]?.id;
}

/** The same for a route: throws the 404. */
export async function organizationIdOf(db: Db, reference: string): Promise<string> {
  const id = await findOrganizationId(db, reference);
  if (id === undefined) throw notFound("organization");
  return id;
}
