import { whyNotBillable } from "../../billing/billable.ts";
import type { Organization } from "../../organizations/organizations.ts";
import type { OrganizationTotal } from "../../outbox/organization-totals.ts";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { decimalInDigits, inDigits } from "../parts/figures.ts";
import { NextPage } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { When } from "../parts/when.tsx";

export const organizationsPath = "/console/organizations";

/** An organization of the list, with its usage. */
export type ListedOrganization = Organization & { total: OrganizationTotal | undefined };

export type OrganizationList = {
  organizations: readonly ListedOrganization[];
  search: string | undefined;
  /** Only those that no customer pays for. */
  isHeld: boolean;
  next: string | null;
  billableStatuses: readonly string[];
};

/** Organizations in the order of their creation, or those that a search finds. */
export function OrganizationsPage({ list }: { list: OrganizationList }) {
  const { organizations, search, isHeld, next, billableStatuses } = list;
  return (
    <>
      <h1>Organizations</h1>
      <form method="get" action={organizationsPath} class="filters" role="search">
        <label>
          Name, id, external id or Stripe customer
          <input type="search" name="search" value={search ?? ""} maxlength={200} />
        </label>
        <label class="choice">
          <input type="checkbox" name="billing" value="held" checked={isHeld} /> Only those that no customer
          pays for: their usage is held
        </label>
        <div class="row">
          <button type="submit" class="main">
            Search
          </button>
          <a class="button" href={organizationsPath}>
            All
          </a>
        </div>
      </form>
      {organizations.length === 0 ? (
        <p class="empty">
          {isHeld
            ? "No such organization is without a Stripe customer."
            : search === undefined
              ? "There is no organization yet. POST /v1/organizations makes one."
              : "No organization is called so."}
        </p>
      ) : (
        <DataTable
          caption="Organizations"
          hidesCaption
          columns={columnsOf(billableStatuses)}
          rows={organizations}
        />
      )}
      {organizations.length > 0 && (
        <p class="small">
          Sensors: the active ones. Used: temperature_readings in the period of the subscription; without one,
          in the UTC month. Held: temperature_readings of any time.
        </p>
      )}
      <NextPage
        path={organizationsPath}
        query={{ search, billing: isHeld ? "held" : undefined }}
        cursor={next}
      />
    </>
  );
}

function columnsOf(billableStatuses: readonly string[]): Column<ListedOrganization>[] {
  return [
    {
      head: "Name",
      kind: "name",
      cell: ({ id, name, externalId }) => (
        <>
          <a href={`${organizationsPath}/${id}`}>{name}</a>
          {externalId !== null && <p class="small">{externalId}</p>}
        </>
      ),
    },
    {
      head: "Stripe customer",
      kind: "mono",
      cell: ({ subscription }) => subscription?.stripeCustomerId ?? <None />,
    },
    {
      head: "Billing",
      cell: (organization) => <Billing organization={organization} statuses={billableStatuses} />,
    },
    { head: "Sensors", kind: "figure", cell: ({ activeSensors }) => inDigits(activeSensors) },
    {
      head: "Used",
      kind: "figure",
      cell: ({ total }) => <Used quantity={total?.used} isMore={total?.isMore} />,
    },
    {
      head: "Held",
      kind: "figure",
      cell: ({ total }) =>
        total === undefined || total.held === "0" ? (
          <None />
        ) : (
          <>
            <span class="state-held state">
              <Used quantity={total.held} isMore={total.isMore} />
            </span>
            {total.heldSince !== null && (
              <p class="small">
                since <When at={total.heldSince} />
              </p>
            )}
          </>
        ),
    },
    { head: "Last reading", cell: ({ total }) => <When at={total?.latestAt ?? null} /> },
  ];
}

/** Of readings; "more than": so many entries wait that not all were added up. */
function Used({
  quantity = "0",
  isMore = false,
}: {
  quantity?: string | undefined;
  isMore?: boolean | undefined;
}) {
  return (
    <>
      {isMore && "more than "}
      {decimalInDigits(quantity)}
    </>
  );
}

type BillingProps = { organization: Organization; statuses: readonly string[] };

/** Whether its usage is billed, and why not. */
export function Billing({ organization, statuses }: BillingProps) {
  const { archivedAt, subscription } = organization;
  const why = whyNotBillable(organization, statuses);
  if (why === undefined) return <StateBadge state="billable" />;
  const isHeld = subscription?.stripeCustomerId === undefined || subscription.stripeCustomerId === null;
  return (
    <>
      <StateBadge state={archivedAt !== null ? "archived" : isHeld ? "held" : "not_billable"} />{" "}
      <span class="small">{why}</span>
    </>
  );
}
