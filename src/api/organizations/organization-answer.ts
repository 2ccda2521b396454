import { z } from "@hono/zod-openapi";
import { renderSubscription, subscriptionSchema } from "./subscription-answer.ts";
import { whyNotBillable } from "../../billing/billable.ts";
import type { NewOrganization, Organization } from "../../organizations/organizations.ts";

export const newOrganizationSchema = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  external_id: z.string().nullable(),
  created_at: z.iso.datetime(),
});
export const organizationSchema = newOrganizationSchema
  .extend({
    archived: z.boolean(),
    archived_at: z.iso.datetime().nullable(),
    subscription: z.union([subscriptionSchema, z.null()]),
    billable: z.boolean().openapi({
      description:
        "whether it is linked to a customer, its subscription's status is among BILLABLE_STATUSES, and it is not archived; the sensors of others are not counted",
    }),
    sensors: z.strictObject({ active: z.int() }),
  })
  .openapi("Organization");

/** Renders an organization that was just created. */
export function renderNewOrganization({
  id,
  name,
  externalId,
  createdAt,
}: NewOrganization): z.infer<typeof newOrganizationSchema> {
  return { id, name, external_id: externalId, created_at: createdAt.toISOString() };
}

/** Renders an organization. */
export function renderOrganization(
  organization: Organization,
  billableStatuses: readonly string[],
): z.infer<typeof organizationSchema> {
  const { archivedAt, subscription, uninvoiced, activeSensors } = organization;
  return {
    ...renderNewOrganization(organization),
    archived: archivedAt !== null,
    archived_at: archivedAt?.toISOString() ?? null,
    subscription: subscription === null ? null : renderSubscription(subscription, uninvoiced),
    billable: whyNotBillable(organization, billableStatuses) === undefined,
    sensors: { active: activeSensors },
  };
}
