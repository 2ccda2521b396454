import type { Db } from "../database/db.ts";
import { renderApiKey } from "../api/organizations/api-keys-route.ts";
import { listApiKeys, type StoredKey } from "../organizations/api-keys.ts";
import { renderOrganization } from "../api/organizations/organization-answer.ts";
import { whyNotBillable } from "../billing/billable.ts";
import { findOrganization, listOrganizations, type Organization } from "../organizations/organizations.ts";
import type { CommandTools } from "./command-tools.ts";
import { describeUninvoiced } from "./describe-uninvoiced.ts";
import { noSuchOrganization, onOrganization } from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { readAll } from "./paging.ts";
import { type Cell, textFields, textTable } from "./text-table.ts";

export type ListOptions = { archived?: true; current?: true };

/** Lists all organizations; the document is that of `GET /v1/organizations`, all pages in one. */
export async function listAll(
  { db, config }: CommandTools,
  { archived, current }: ListOptions,
): Promise<Outcome> {
  const isArchived = archived ?? (current ? false : undefined);
  const organizations = await readAll((after, limit) => listOrganizations(db, { isArchived, after, limit }));
  const statuses = config.BILLABLE_STATUSES;
  const render = (one: Organization) => renderOrganization(one, statuses);
  return {
    kind: "done",
    document: { data: organizations.map(render), next_cursor: null },
    text: textTable(
      ["ID", "NAME", "EXTERNAL ID", "CUSTOMER", "STATUS", "BILLABLE", "SENSORS", "ON NO INVOICE", "ARCHIVED"],
      organizations.map((one) => [
        one.id,
        one.name,
        one.externalId,
        one.subscription?.stripeCustomerId ?? null,
        one.subscription?.status ?? null,
        whyNotBillable(one, statuses) === undefined ? "yes" : "no",
        one.activeSensors,
        describeUninvoiced(one.uninvoiced),
        one.archivedAt?.toISOString() ?? null,
      ]),
    ),
  };
}

/** Shows an organization; the document is that of `GET /v1/organizations/{id}`, with the API keys besides. */
export function showOne({ db, config }: CommandTools, reference: string): Promise<Outcome> {
  return onOrganization(db, reference, async (id) => {
    const organization = await findOrganization(db, id);
    if (organization === undefined) return noSuchOrganization;
    const keys = (await readKeys(db, id)).map(renderApiKey);
    const table = textTable(
      ["KEY ID", "PREFIX", "NAME", "SCOPES", "LAST USED", "REVOKED"],
      keys.map((key) => [
        key.id,
        key.prefix,
        key.name,
        key.scopes.join(","),
        key.last_used_at,
        key.revoked_at,
      ]),
    );
    return {
      kind: "done",
      document: { ...renderOrganization(organization, config.BILLABLE_STATUSES), api_keys: keys },
      text: `${textFields(fieldsOf(organization, config.BILLABLE_STATUSES))}\n\n${table}`,
    };
  });
}

/** An organization as names and values for people. */
export function fieldsOf(organization: Organization, billableStatuses: readonly string[]): [string, Cell][] {
  const { subscription } = organization;
  return [
    ["id", organization.id],
    ["name", organization.name],
    ["external id", organization.externalId],
    ["created", organization.createdAt.toISOString()],
    ["archived", organization.archivedAt?.toISOString() ?? null],
    ["active sensors", organization.activeSensors],
    ["customer", subscription?.stripeCustomerId ?? null],
    ["subscription", subscription?.stripeSubscriptionId ?? null],
    ["status", subscription?.status ?? null],
    ["billable", describeBillable(organization, billableStatuses)],
    ["period start", subscription?.currentPeriodStart?.toISOString() ?? null],
    ["period end", subscription?.currentPeriodEnd?.toISOString() ?? null],
    ["on no invoice", describeUninvoiced(organization.uninvoiced)],
  ];
}

function describeBillable(organization: Organization, statuses: readonly string[]): string {
  const reason = whyNotBillable(organization, statuses);
  return reason === undefined ? "yes" : `no: ${reason}`;
}

function readKeys(db: Db, organizationId: string): Promise<StoredKey[]> {
  return readAll((after, limit) => listApiKeys(db, { organizationId, after, limit }));
}
