import type { MeterEvent } from "../../delivery/meter-events.ts";
import type { Matched as MatchedEvents } from "../../delivery/match-meter-events.ts";
import { resolvedMax } from "../../delivery/resolve.ts";
import type { WindowSum } from "../../reconciliation/window-sum.ts";
import { ConfirmPage } from "../forms/confirm-page.tsx";
import { counted, inDigits } from "../parts/figures.ts";
import { withQuery } from "../parts/next-page.tsx";
import { When } from "../parts/when.tsx";
import { eventsPath } from "./events-page.tsx";
import { countedOf, Matched } from "./matched.tsx";
import type { Narrowed } from "./read-filter.ts";
import { WindowSumPart } from "./window-sum.tsx";

/** Asks what Stripe's sum says of an event in doubt, and why that is known. */
export function ResolvePage({ event, sum }: { event: MeterEvent; sum: WindowSum | undefined }) {
  const path = `${eventsPath}/${event.id}`;
  return (
    <ConfirmPage
      question="End the doubt about this meter event?"
      action={`${path}/resolve`}
      back={path}
      verb="Resolve"
      needsReason
      asks={<WhatStripeCounted />}
    >
      <p>
        {counted(event.quantity, "unit")} of {event.meter} in the hour of <When at={event.hour} />, for
        customer {event.stripeCustomerId}. Look at Stripe's sum of this hour first: resolving has no way back.
      </p>
      <WindowSumPart event={event} sum={sum} />
    </ConfirmPage>
  );
}

type All = {
  fields: Narrowed["fields"];
  /** The ids of the meter events whose doubt the answer ends. */
  asked: readonly string[];
  matched: MatchedEvents;
};

/** The same of all in doubt that the list's filters match. */
export function ResolveAllPage({ fields, asked, matched }: All) {
  return (
    <ConfirmPage
      question={`End the doubt about ${countedOf(matched, "meter event")}?`}
      action={`${eventsPath}/resolve`}
      back={withQuery(eventsPath, fields)}
      verb="Resolve"
      needsReason
      fields={{ ...fields, asked: asked.join(" ") }}
      asks={<WhatStripeCounted />}
    >
      <Matched fields={fields} matched={matched} />
      <p>
        One answer and one reason for all of them: look at Stripe's sums of their hours first. Resolving has
        no way back. What comes in doubt from now on is left as it is.
      </p>
      {matched.count > resolvedMax && (
        <p>The first {inDigits(resolvedMax)} of them, the oldest; repeat it for the rest.</p>
      )}
    </ConfirmPage>
  );
}

function WhatStripeCounted() {
  return (
    <fieldset class="stack">
      <legend>What did Stripe count?</legend>
      <label class="choice">
        <input type="radio" name="resolution" value="delivered" required />
        <span>
          Delivered <small>Stripe's sum has it. Nothing is sent.</small>
        </span>
      </label>
      <label class="choice">
        <input type="radio" name="resolution" value="not_delivered" required />
        <span>
          Not delivered <small>Stripe's sum lacks it. A new meter event sends the same usage.</small>
        </span>
      </label>
    </fieldset>
  );
}
