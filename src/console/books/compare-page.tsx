import { describeSeen, type SeenProcesses } from "../../monitoring/seen-processes.ts";
import type { ReconciliationState } from "../../monitoring/metrics/read-reconciliation.ts";
import type { RequestState } from "../../reconciliation/requests.ts";
import type { Span } from "../../reconciliation/windows.ts";
import { meterNames } from "../../usage/meters.ts";
import { ConfirmPage } from "../forms/confirm-page.tsx";
import { counted, inDigits } from "../parts/figures.ts";
import { When } from "../parts/when.tsx";
import { booksOf } from "./books-paths.ts";
import { LookTable } from "./look-table.tsx";

/** A difference is found in as many reads; docs/reconciliation.md says how. */
const readsForMeterMax = 4;

export type Comparable = {
  organizationId: string;
  name: string;
  period: "current" | "last";
  /** Undefined: nothing of it has passed yet. */
  span: Span | undefined;
  customers: number;
  state: ReconciliationState;
  worker: SeenProcesses | undefined;
};

/** Asks before Stripe is asked: what is compared, and how many reads that may cost. */
export function CompareQuestion({ asked }: { asked: Comparable }) {
  const { organizationId, name, period, span, customers, state, worker } = asked;
  const back = booksOf(organizationId);
  if (span === undefined) {
    return (
      <section class="empty">
        <h1>There is nothing to compare yet</h1>
        <p>No minute of that period has passed.</p>
        <p>
          <a class="button" href={back}>
            Back
          </a>
        </p>
      </section>
    );
  }
  return (
    <ConfirmPage
      question={`Compare the books of ${name} with Stripe's sums?`}
      action={`${back}/compare`}
      back={back}
      verb="Compare"
      fields={{ period }}
    >
      <p>
        From <When at={span.start} /> to <When at={span.end} />. {counted(meterNames.length, "meter")} of{" "}
        {counted(customers, "Stripe customer")}: one read each where all is equal, and at most{" "}
        {counted(customers * meterNames.length * readsForMeterMax, "read")}. Nothing is sent and nothing
        changed at Stripe.
      </p>
      <p class="small">
        {counted(state.reads, "read")} made today
        {state.readsLeft === null ? "" : `, ${inDigits(state.readsLeft)} left of the day's budget`}. What you
        ask for is counted, and never refused.
      </p>
      {(worker === undefined || worker.live === 0) && (
        <p class="notice warn">
          A worker has to read the sums; {worker === undefined ? "none has ever run" : describeSeen(worker)}.
          The answer comes when one has started.
        </p>
      )}
    </ConfirmPage>
  );
}

export type Asked = { organizationId: string; name: string; requestId: string; state: RequestState };

/** The answer to a comparison that was asked for, or that there is none yet. */
export function ComparisonPage({ asked }: { asked: Asked }) {
  const { organizationId, name, requestId } = asked;
  return (
    <>
      <h1>Comparison of {name}</h1>
      <ComparisonPart asked={asked} />
      <ul class="row">
        {asked.state.state === "waiting" && (
          <li>
            <a class="button main" href={comparisonOf(organizationId, requestId)}>
              Look again
            </a>
          </li>
        )}
        <li>
          <a class="button" href={booksOf(organizationId)}>
            Its books
          </a>
        </li>
      </ul>
    </>
  );
}

export function comparisonOf(organizationId: string, requestId: string): string {
  return `${booksOf(organizationId)}/comparisons/${requestId}`;
}

/** Renews itself until there is an answer. */
export function ComparisonPart({ asked: { organizationId, requestId, state } }: { asked: Asked }) {
  switch (state.state) {
    case "waiting":
      return (
        <div
          id="answer"
          hx-get={`${comparisonOf(organizationId, requestId)}/live`}
          hx-trigger="renew from:body"
          hx-swap="outerHTML"
        >
          <p class="notice" role="status">
            A worker has not answered yet. It mostly takes seconds.
          </p>
        </div>
      );
    case "failed":
      return (
        <p class="notice bad" role="alert">
          Stripe did not tell its sums: {state.error}
        </p>
      );
    case "answered": {
      const { windows, reads } = state.answer;
      const looks = windows.map(({ stripe_customer_id: customer, read_at: readAt, ...window }) => ({
        ...window,
        organizationId,
        customer,
        readAt,
      }));
      return (
        <div id="answer" class="stack">
          <p>{counted(reads, "read")} of Stripe's sums.</p>
          {looks.length === 0 ? (
            <p class="empty">There was nothing to compare.</p>
          ) : (
            <LookTable looks={looks} caption="What was compared, the widest window of each meter first" />
          )}
        </div>
      );
    }
  }
}
