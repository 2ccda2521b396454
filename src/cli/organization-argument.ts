import type { Db } from "../database/db.ts";
import { findOrganizationId, organizationReferenceSchema } from "../http/organization-reference.ts";
import { hasOrganization } from "../organizations/organizations.ts";
import type { Outcome } from "./outcome.ts";
import { parsedBy } from "./parsed-by.ts";

export const organizationHelp = "a UUID, or external: and its external id";

/** Parses an argument or option that names an organization. */
export const parseOrganization = parsedBy(organizationReferenceSchema);

/** The message about an organization that does not exist. */
export const noSuchOrganization = { kind: "failed", message: "there is no such organization" } as const;

/** The id of the organization that an argument or option names; undefined: there is none. */
export async function findOrganization(db: Db, reference: string): Promise<string | undefined> {
  const id = await findOrganizationId(db, reference);
  return id !== undefined && (await hasOrganization(db, id)) ? id : undefined;
}

/** Runs a command on the named organization. */
export async function onOrganization(
  db: Db,
  reference: string,
  work: (organizationId: string) => Promise<Outcome>,
): Promise<Outcome> {
  const id = await findOrganization(db, reference);
  return id === undefined ? noSuchOrganization : work(id);
}
