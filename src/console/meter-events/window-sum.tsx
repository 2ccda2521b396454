import type { MeterEvent } from "../../delivery/meter-events.ts";
import { withSeparators } from "../../reconciliation/confirmation.ts";
import type { WindowSum } from "../../reconciliation/window-sum.ts";
import { When } from "../parts/when.tsx";

/** What Stripe has counted in the window of an event, by the newest look, beside what we sent. */
export function WindowSumPart({ event, sum }: { event: MeterEvent; sum: WindowSum | undefined }) {
  return (
    <section aria-label="Stripe's sum">
      <h2>Stripe's sum of its window</h2>
      {sum === undefined ? (
        <p class="empty">
          Stripe's sum of this time was not read yet. Workers read it after the delivery has settled, within
          the reads of a day.
        </p>
      ) : (
        <>
          <p>{wordsOf(sum)}</p>
          {isOlder(event, sum) && (
            <p class="notice warn">It was read before this event was delivered, so it cannot tell of it.</p>
          )}
          <Figures event={event} sum={sum} />
        </>
      )}
    </section>
  );
}

function Figures({ event, sum }: { event: MeterEvent; sum: WindowSum }) {
  return (
    <dl class="facts">
      <div>
        <dt>Stripe's</dt>
        <dd>{withSeparators(sum.theirs)}</dd>
      </div>
      <div>
        <dt>Ours</dt>
        <dd>{withSeparators(sum.ours)}</dd>
      </div>
      {sum.doubtful !== "0" && (
        <div>
          <dt>Of ours in doubt besides</dt>
          <dd>{withSeparators(sum.doubtful)}</dd>
        </div>
      )}
      <div>
        <dt>Window</dt>
        <dd>
          <When at={sum.start} /> to <When at={sum.end} />
        </dd>
      </div>
      <div>
        <dt>Of</dt>
        <dd>
          {event.meter} of {event.stripeCustomerId}
        </dd>
      </div>
      <div>
        <dt>Read</dt>
        <dd>
          <When at={sum.readAt} />
        </dd>
      </div>
    </dl>
  );
}

function wordsOf({ result, reason }: WindowSum): string {
  switch (result) {
    case "equal":
      return "Equal: Stripe has counted what was sent, no more and no less.";
    case "different":
      return `Different${reason === null ? "" : `: ${inWords(reason)}`}. The books name the rows.`;
    case "settling":
      return `Not compared yet: ${reason === null ? "it settles" : (settling[reason] ?? inWords(reason))}.`;
  }
}

const settling: Record<string, string> = {
  moved: "events of the window changed while the sum was read",
  young: "an event of the window was delivered a moment ago, and Stripe's sums lag",
  open: "an attempt at one of its events has not told its outcome",
  in_doubt: "some of its events are in doubt",
  first_look: "Stripe's sum is too little, and a second look must agree before that counts",
};

function inWords(reason: string): string {
  return reason.replaceAll("_", " ");
}

/** An event that is not delivered is in no sum for certain, and that is no news. */
function isOlder({ deliveredAt }: MeterEvent, { readAt }: WindowSum): boolean {
  return deliveredAt !== null && readAt < deliveredAt;
}
