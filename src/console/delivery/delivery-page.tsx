import type { Lease } from "../../delivery/leases.ts";
import { account } from "../../delivery/pauses.ts";
import type { ScopeReport } from "../../delivery/scopes.ts";
import { describeSeen, type SeenProcesses } from "../../monitoring/seen-processes.ts";
import type { LatestMinute } from "../../monitoring/figures/read-figures.ts";
import type { SeenWorker } from "../../monitoring/seen-workers.ts";
import type { Shared } from "../shared-read.ts";
import { FactList } from "../parts/fact-list.tsx";
import { asAge, counted, inDigits, secondsBetween } from "../parts/figures.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { Ago, When } from "../parts/when.tsx";
import { Leases } from "./leases.tsx";
import { nameOfScope } from "./name-of-scope.ts";
import { Rate } from "./rate.tsx";

export type DeliveryFigures = {
  scopes: ScopeReport[];
  processes: SeenProcesses[];
  workers: SeenWorker[];
  leases: Lease[];
  latest: LatestMinute;
};

export type LiveDelivery = { figures: Shared<DeliveryFigures>; now: Date; mayAct: boolean };

/** What is sent and what is paused, by meter, how fast, and who works. It renews itself while it is seen. */
export function LiveDeliveryPart({ live: { figures, now, mayAct } }: { live: LiveDelivery }) {
  const { value, readAt, failure } = figures;
  const { scopes, processes, workers, leases, latest } = value;
  const inFlight = scopes.find(({ scope }) => scope === account)?.inFlight ?? 0;
  return (
    <div id="live" hx-get="/console/delivery/live" hx-trigger="renew from:body" hx-swap="outerHTML">
      {failure !== undefined && (
        <p class="notice bad" role="alert">
          The database does not answer. These are the figures of <Ago at={readAt} now={now} />.
        </p>
      )}
      <DataTable caption="What goes to Stripe" columns={columnsOf(now, mayAct)} rows={scopes} />
      <Rate workers={workers} latest={latest} now={now} />
      <Leases leases={leases} inFlight={inFlight} now={now} />
      <section aria-label="Processes">
        <h2>Who works</h2>
        <FactList facts={processes.map((seen) => [seen.kind, describeSeen(seen)] as const)} />
        <p class="small">
          By the heartbeats of the last half minute. Queues and jobs are pg-boss's own: its dashboard shows
          them.
        </p>
      </section>
      <p class="small freshness" data-read-at={readAt.toISOString()}>
        Figures of <When at={readAt} />
      </p>
    </div>
  );
}

function columnsOf(now: Date, mayAct: boolean): Column<ScopeReport>[] {
  const columns: Column<ScopeReport>[] = [
    { head: "Of", kind: "name", cell: ({ scope }) => nameOfScope(scope) },
    { head: "State", cell: (report) => <ScopeState report={report} now={now} /> },
    { head: "Pending", kind: "figure", cell: ({ pending }) => inDigits(pending) },
    { head: "In flight", kind: "figure", cell: ({ inFlight }) => inDigits(inFlight) },
    {
      head: "Breaker",
      cell: ({ openings }) => (openings === 0 ? "closed" : `opened ${counted(openings, "time")} in a row`),
    },
  ];
  return mayAct ? [...columns, { head: "Action", cell: pauseOrResume }] : columns;
}

function ScopeState({ report, now }: { report: ScopeReport; now: Date }) {
  const { reason, pausedAt, until } = report;
  if (pausedAt === null) return <StateBadge state="running" />;
  return (
    <>
      <StateBadge state="paused" />
      <p class="small">
        {reason?.replaceAll("_", " ")}, since <Ago at={pausedAt} now={now} />
        {until === null ? ", until resumed" : `, ${probe(until, now)}`}
      </p>
    </>
  );
}

function pauseOrResume({ scope, pausedAt }: ScopeReport) {
  const [path, verb] = pausedAt === null ? ["pause", "Pause"] : ["resume", "Resume"];
  return (
    <a class="button" id={`act-${scope}`} href={`/console/delivery/${path}?scope=${scope}`}>
      {verb}
      <span class="unseen"> {nameOfScope(scope)}</span>
    </a>
  );
}

function probe(until: Date, now: Date): string {
  const seconds = secondsBetween(now, until);
  return seconds <= 0 ? "a probe is due" : `next probe in ${asAge(seconds)}`;
}
