import { actAs, recordAction } from "../actions/operator-actions.ts";
import { renderNewOrganization, renderOrganization } from "../api/organizations/organization-answer.ts";
import { createOrganization, type ExternalIdTaken } from "../organizations/organizations.ts";
import {
  describeWaiting,
  type OrganizationChange,
  updateOrganization,
} from "../organizations/update-organization.ts";
import type { CommandTools } from "./command-tools.ts";
import { noSuchOrganization, onOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { fieldsOf } from "./show-organization.ts";
import { textFields } from "./text-table.ts";

export type NewNamed = { externalId?: string };

/** Creates an organization; the document is that of `POST /v1/organizations`. */
export async function createNamed(
  tools: CommandTools,
  name: string,
  { externalId }: NewNamed,
): Promise<Outcome> {
  const created = await actAs(
    tools,
    (trx) => createOrganization(trx, { name, externalId }),
    (made) =>
      made.kind === "created" ? { action: "create_organization", organizationId: made.id } : undefined,
  );
  if (created.kind === "external_id_taken") return taken(created);
  return { kind: "done", document: renderNewOrganization(created), text: created.id };
}

/** Changes an organization; the document is that of `PATCH /v1/organizations/{id}`. */
export function changeOrganization(
  { db, config, operator }: CommandTools,
  reference: string,
  change: OrganizationChange,
): Promise<Outcome> {
  return onOrganization(db, reference, async (id): Promise<Outcome> => {
    const update = await updateOrganization(db, id, change, (trx) =>
      recordAction(trx, operator, { action: "update_organization", organizationId: id }),
    );
    switch (update.kind) {
      case "updated":
        return {
          kind: "done",
          document: renderOrganization(update.organization, config.BILLABLE_STATUSES),
          text: textFields(fieldsOf(update.organization, config.BILLABLE_STATUSES)),
        };
      case "not_found":
        return noSuchOrganization;
      case "external_id_taken":
        return taken(update);
      case "usage_waits":
        return { kind: "failed", message: describeWaiting(update.waiting) };
    }
  });
}

function taken({ externalId, holderId = "another organization" }: ExternalIdTaken): Outcome {
  return { kind: "failed", message: `the external id ${externalId} is taken by ${holderId}` };
}
