import type { RecordedAction } from "../../actions/list-actions.ts";
import type { StoredKey } from "../../organizations/api-keys.ts";
import type { Organization } from "../../organizations/organizations.ts";
import type { granularities } from "../../outbox/usage-buckets.ts";
import type { UsageBucket } from "../../outbox/usage.ts";
import type { SensorBucket } from "../../intake/sensor-history.ts";
import type { BookedPeriod } from "../../reconciliation/close/list-books.ts";
import { meterNames } from "../../usage/meters.ts";
import { ActionTable } from "../actions/action-table.tsx";
import { booksOf } from "../books/books-paths.ts";
import { PeriodTable } from "../books/period-table.tsx";
import { eventsPath } from "../meter-events/events-page.tsx";
import { FactList } from "../parts/fact-list.tsx";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { inDigits } from "../parts/figures.ts";
import { withQuery } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { UsagePlot } from "../parts/usage-plot.tsx";
import { When } from "../parts/when.tsx";
import { Billing, organizationsPath } from "./organizations-page.tsx";
import { SensorPlot } from "./sensor-plot.tsx";
import { type ListedSensor, SensorTable } from "./sensor-table.tsx";

export type OrganizationView = {
  organization: Organization;
  meter: (typeof meterNames)[number];
  granularity: (typeof granularities)[number];
  buckets: readonly UsageBucket[];
  sensors: readonly SensorBucket[];
  /** The first of its sensors. */
  listed: readonly ListedSensor[];
  /** Its latest billing periods. */
  periods: readonly BookedPeriod[];
  /** Working keys before revoked ones, each the newest first. */
  keys: readonly StoredKey[];
  hasMoreKeys: boolean;
  actions: readonly RecordedAction[];
  billableStatuses: readonly string[];
  mayAct: boolean;
};

/** One organization: who pays, what it used, who may send, and what was done to it. */
export function OrganizationPage({ view }: { view: OrganizationView }) {
  const { organization, billableStatuses, actions } = view;
  return (
    <>
      <h1>{organization.name}</h1>
      <Facts organization={organization} statuses={billableStatuses} />
      <ul class="row">
        <li>
          <a class="button" href={withQuery(eventsPath, { organization: organization.id })}>
            Its meter events
          </a>
        </li>
        <li>
          <a class="button" href={booksOf(organization.id)}>
            Its books
          </a>
        </li>
      </ul>
      <Usage view={view} />
      <section aria-label="Sensors">
        <h2>Sensors</h2>
        <SensorPlot buckets={view.sensors} />
        {view.listed.length > 0 && (
          <>
            <p class="small">What a sensor recorded over the year, by the time at which it recorded it:</p>
            <SensorTable organizationId={organization.id} sensors={view.listed} />
            <p>
              <a href={`${organizationsPath}/${organization.id}/sensors`}>All its sensors</a>
            </p>
          </>
        )}
      </section>
      <section aria-label="Statements">
        <h2>Billing periods and statements</h2>
        {view.periods.length === 0 ? (
          <p class="empty">
            No billing period yet. The first begins when the organization is linked to a Stripe customer.
          </p>
        ) : (
          <PeriodTable periods={view.periods} names={false} />
        )}
      </section>
      <Keys view={view} />
      <section aria-label="Actions">
        <h2>What operators did</h2>
        {actions.length === 0 ? <p class="empty">Nothing yet.</p> : <ActionTable actions={actions} />}
      </section>
    </>
  );
}

function Facts({ organization, statuses }: { organization: Organization; statuses: readonly string[] }) {
  const { id, externalId, createdAt, archivedAt, subscription, activeSensors, uninvoiced } = organization;
  const facts = [
    ["Billing", <Billing organization={organization} statuses={statuses} />],
    ["Stripe customer", subscription?.stripeCustomerId ?? "none: its usage is held"],
    ["Subscription", subscription?.stripeSubscriptionId ?? "none"],
    ["Status", subscription?.status ?? "none"],
    ["Period from", <When at={subscription?.currentPeriodStart ?? null} none="unknown" />],
    ["to", <When at={subscription?.currentPeriodEnd ?? null} none="unknown" />],
    ["Active sensors", inDigits(activeSensors)],
    [
      "On no invoice",
      uninvoiced.length === 0
        ? "nothing"
        : uninvoiced
            .map(
              (usage) =>
                `${inDigits(usage.quantity)} of ${usage.meter} (${usage.reason.replaceAll("_", " ")})`,
            )
            .join(", "),
    ],
    ["External id", externalId ?? "none"],
    ["Created", <When at={createdAt} />],
    ...(archivedAt === null ? [] : [["Archived", <When at={archivedAt} />] as const]),
    ["Id", <code>{id}</code>],
  ] as const;
  return <FactList facts={facts} />;
}

const spans = {
  hour: "hours of the last 2 days",
  day: "days of the last 5 weeks",
  month: "months of the last year",
};

function Usage({ view: { organization, meter, granularity, buckets } }: { view: OrganizationView }) {
  const path = `${organizationsPath}/${organization.id}`;
  return (
    <section aria-label="Usage">
      <h2>Usage</h2>
      <ul class="row">
        {meterNames.flatMap((name) =>
          (["hour", "day", "month"] as const).map((one) => (
            <li>
              <a
                href={withQuery(path, { meter: name, granularity: one })}
                aria-current={name === meter && one === granularity ? "true" : undefined}
              >
                {name}, {spans[one]}
              </a>
            </li>
          )),
        )}
      </ul>
      <UsagePlot buckets={buckets} meter={meter} />
      <p>
        <a href={withQuery(`${path}/usage.csv`, { meter, granularity })} download>
          As CSV
        </a>
      </p>
    </section>
  );
}

function Keys({ view: { organization, keys, hasMoreKeys, mayAct } }: { view: OrganizationView }) {
  const path = `${organizationsPath}/${organization.id}/keys`;
  return (
    <section aria-label="API keys">
      <h2>API keys</h2>
      {keys.length === 0 ? (
        <p class="empty">No key: nothing can be sent for this organization.</p>
      ) : (
        <DataTable
          caption="Keys, those that work first"
          hidesCaption
          columns={keyColumns(path, mayAct)}
          rows={keys}
        />
      )}
      {hasMoreKeys && (
        <p class="small">
          The newest {inDigits(keys.length)}, those that work first;{" "}
          <code>meter-outbox organization show</code> has them all.
        </p>
      )}
      {mayAct && organization.archivedAt === null && (
        <p>
          <a class="button" href={`${path}/new`}>
            Make a key
          </a>
        </p>
      )}
    </section>
  );
}

function keyColumns(path: string, mayAct: boolean): Column<StoredKey>[] {
  const columns: Column<StoredKey>[] = [
    { head: "Key", kind: "mono", cell: ({ prefix }) => `${prefix}…` },
    { head: "Name", cell: ({ name }) => name },
    { head: "May", cell: ({ scopes }) => scopes.join(", ") },
    { head: "Made", cell: ({ created_at: at }) => <When at={at} /> },
    { head: "Last used", cell: ({ last_used_at: at }) => <When at={at} /> },
    {
      head: "State",
      cell: ({ revoked_at: at }) => <StateBadge state={at === null ? "active" : "revoked"} />,
    },
  ];
  if (!mayAct) return columns;
  const revoke = ({ id, prefix, revoked_at: at }: StoredKey) =>
    at !== null ? null : (
      <a class="button" href={`${path}/${id}/revoke`}>
        Revoke<span class="unseen"> {prefix}</span>
      </a>
    );
  return [...columns, { head: "Action", cell: revoke }];
}
