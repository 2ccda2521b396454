import type { ScopeReport } from "../../delivery/scopes.ts";
import { describeSeen, type SeenProcesses } from "../../monitoring/seen-processes.ts";
import { asAge, counted, inDigits, secondsBetween } from "../parts/figures.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { Ago } from "../parts/when.tsx";
import { nameOfScope } from "./name-of-scope.ts";

export type DeliveryFigures = { scopes: ScopeReport[]; processes: SeenProcesses[]; now: Date };

/** What is sent and what is paused, by meter, and who works. */
export function DeliveryPage({ figures, mayAct }: { figures: DeliveryFigures; mayAct: boolean }) {
  const { scopes, processes, now } = figures;
  return (
    <>
      <h1>Delivery</h1>
      <DataTable caption="What goes to Stripe" columns={columnsOf(now, mayAct)} rows={scopes} />
      <section aria-label="Processes">
        <h2>Who works</h2>
        <dl class="facts">
          {processes.map((seen) => (
            <div>
              <dt>{seen.kind}</dt>
              <dd>{describeSeen(seen)}</dd>
            </div>
          ))}
        </dl>
        <p class="small">
          By the heartbeats of the last half minute. Queues and jobs are pg-boss's own: its dashboard shows
          them.
        </p>
      </section>
    </>
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
    <a class="button" href={`/console/delivery/${path}?scope=${scope}`}>
      {verb}
      <span class="unseen"> {nameOfScope(scope)}</span>
    </a>
  );
}

function probe(until: Date, now: Date): string {
  const seconds = secondsBetween(now, until);
  return seconds <= 0 ? "a probe is due" : `next probe in ${asAge(seconds)}`;
}
