import type { CloseGate } from "../../monitoring/close-gate.ts";
import type { Difference } from "../../monitoring/differences.ts";
import type { ReconciliationState } from "../../monitoring/metrics/read-reconciliation.ts";
import type { Child } from "hono/jsx";
import type { Books } from "../../reconciliation/close/gate-rules.ts";
import {
  bookStates,
  type BookedPeriod,
  type BooksCount,
  countedDays,
  periodStages,
  type PeriodStage,
} from "../../reconciliation/close/list-books.ts";
import { FactList } from "../parts/fact-list.tsx";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { asAge, inDigits } from "../parts/figures.ts";
import { NextPage, withQuery } from "../parts/next-page.tsx";
import { StateBadge } from "../parts/state-badge.tsx";
import { Ago } from "../parts/when.tsx";
import { booksPath } from "./books-paths.ts";
import { DifferenceTable } from "./difference-table.tsx";
import { PeriodTable } from "./period-table.tsx";
import type { BooksQuery } from "./read-books-query.ts";

export type BooksView = {
  state: ReconciliationState;
  gates: readonly CloseGate[];
  counts: readonly BooksCount[];
  differences: readonly Difference[];
  hasMoreDifferences: boolean;
  periods: readonly BookedPeriod[];
  query: BooksQuery;
  next: string | null;
  /** When all but the periods was read; `isOld`: it could not be read again since. */
  head: { readAt: Date; isOld: boolean; now: Date };
};

/** Whether the books close: periods, what Stripe's sums say of them, and what the comparison costs. */
export function BooksPage({ view }: { view: BooksView }) {
  const { counts, differences, hasMoreDifferences, head } = view;
  return (
    <>
      <h1>Books</h1>
      {head.isOld && (
        <p class="notice bad" role="alert">
          All but the periods could not be read again: it is as it was <Ago at={head.readAt} now={head.now} />
          .
        </p>
      )}
      <Summary counts={counts} />
      <Comparison view={view} />
      <section aria-label="Differences">
        <h2>Where Stripe's sums are not ours</h2>
        <DifferenceTable differences={differences} />
        {hasMoreDifferences && (
          <p>
            <a class="button" href={`${booksPath}/differences`}>
              All differences
            </a>
          </p>
        )}
      </section>
      <Periods view={view} />
    </>
  );
}

const stageNames: Record<PeriodStage, string> = {
  open: "running",
  closing: "ended, its invoice is not final",
  closed: "its invoice is final",
};

type StageCount = { stage: PeriodStage; counts: readonly BooksCount[] };

function Summary({ counts }: { counts: readonly BooksCount[] }) {
  const rows = periodStages.map((stage) => ({ stage, counts: counts.filter((one) => one.stage === stage) }));
  if (counts.length === 0) {
    return (
      <p class="empty">
        There is no billing period yet. The first begins when an organization is linked to a Stripe customer.
      </p>
    );
  }
  return (
    <DataTable
      caption={`Billing periods that run, or ended within ${countedDays} days`}
      columns={summaryColumns}
      rows={rows}
    />
  );
}

function sum(counts: readonly BooksCount[], isMeant: (one: BooksCount) => boolean): number {
  return counts.filter(isMeant).reduce((total, { count }) => total + count, 0);
}

type CountLinkProps = { stage: PeriodStage; books?: (typeof bookStates)[number]; count: number };

function CountLink({ stage, books, count }: CountLinkProps) {
  if (count === 0) return <span class="none">0</span>;
  return <a href={`${withQuery(booksPath, { stage, books })}#periods`}>{inDigits(count)}</a>;
}

function countColumn(head: Child & string, books: Books): Column<StageCount> {
  return {
    head,
    kind: "figure",
    cell: ({ stage, counts }) => (
      <CountLink stage={stage} books={books} count={sum(counts, (one) => one.books === books)} />
    ),
  };
}

const summaryColumns: Column<StageCount>[] = [
  {
    head: "Period",
    kind: "name",
    cell: ({ stage }) => (
      <>
        <StateBadge state={stage} /> <span class="small">{stageNames[stage]}</span>
      </>
    ),
  },
  {
    head: "All",
    kind: "figure",
    cell: ({ stage, counts }) => <CountLink stage={stage} count={sum(counts, () => true)} />,
  },
  countColumn("Equal", "equal"),
  countColumn("Settling", "settling"),
  countColumn("On its way", "open"),
  countColumn("Not comparable", "unknown"),
  countColumn("Different", "different"),
  {
    head: "On no invoice",
    kind: "figure",
    cell: ({ stage, counts }) => (
      <CountLink
        stage={stage}
        books="not_billed"
        count={counts.reduce((total, { notBilled }) => total + notBilled, 0)}
      />
    ),
  },
];

const gateWords: Record<CloseGate, string> = {
  off: "off: drafts are left alone",
  watch: "watch: it says what it would hold, and moves nothing",
  hold: "hold: it moves the finalization of a draft whose books are not equal",
};

function Comparison({ view: { state, gates } }: { view: BooksView }) {
  const { reads, readsLeft, putOff, inDoubt, reported, unreconciledSeconds } = state;
  const facts = [
    ["Reads of Stripe's sums today (UTC)", inDigits(reads)],
    ["Left of the day's budget", readsLeft === null ? "told by a worker's first read" : inDigits(readsLeft)],
    ["Customers put off until tomorrow", inDigits(putOff)],
    ["Meter events in doubt", <a href="/console/meter-events?state=in_doubt">{inDigits(inDoubt)}</a>],
    ["Reported and not named", inDigits(reported)],
    [
      "Oldest period that is not equal",
      unreconciledSeconds === 0 ? "none" : `ended ${asAge(unreconciledSeconds)} ago`,
    ],
    [
      "The close gate",
      gates.length === 0 ? "no worker runs that tells" : gates.map((gate) => gateWords[gate]).join("; "),
    ],
  ] as const;
  return (
    <section aria-label="The comparison">
      <h2>The comparison</h2>
      <FactList facts={facts} />
    </section>
  );
}

function Periods({ view: { periods, query, next } }: { view: BooksView }) {
  return (
    <section aria-label="Periods" id="periods">
      <h2>Periods</h2>
      <form method="get" action={`${booksPath}#periods`} class="filters" aria-label="Narrow the list">
        <Choice name="stage" label="Period" among={periodStages} chosen={query.stage} />
        <Choice name="books" label="Books" among={bookStates} chosen={query.books} />
        <div class="row">
          <button type="submit" class="main">
            Show
          </button>
          <a class="button" href={`${booksPath}#periods`}>
            All
          </a>
        </div>
      </form>
      {periods.length === 0 ? (
        <p class="empty">No billing period is like this.</p>
      ) : (
        <PeriodTable periods={periods} />
      )}
      <NextPage path={booksPath} query={query} cursor={next} />
    </section>
  );
}

type ChoiceProps = { name: string; label: string; among: readonly string[]; chosen: string | undefined };

/** Books with open usage are called so on the pages, since periods that run are called open. */
const otherNames: Record<string, string> = {
  "books:open": "on its way",
  "books:unknown": "not comparable",
  "books:not_billed": "usage on no invoice",
};

function Choice({ name, label, among, chosen }: ChoiceProps) {
  return (
    <label>
      {label}
      <select name={name}>
        <option value="">any</option>
        {among.map((one) => (
          <option value={one} selected={one === chosen}>
            {otherNames[`${name}:${one}`] ?? one}
          </option>
        ))}
      </select>
    </label>
  );
}
