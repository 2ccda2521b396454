import type { Child } from "hono/jsx";
import type { MeterEvent } from "../../delivery/meter-events.ts";
import { resolvedMax } from "../../delivery/resolve.ts";
import type { WindowSum } from "../../reconciliation/window-sum.ts";
import { counted, inDigits } from "../parts/figures.ts";
import { withQuery } from "../parts/next-page.tsx";
import { When } from "../parts/when.tsx";
import { eventsPath } from "./events-page.tsx";
import { Matched } from "./matched.tsx";
import type { Narrowed } from "./read-filter.ts";
import { WindowSumPart } from "./window-sum.tsx";

/** Asks what Stripe's sum says of an event in doubt, and why that is known. */
export function ResolvePage({ event, sum }: { event: MeterEvent; sum: WindowSum | undefined }) {
  const path = `${eventsPath}/${event.id}`;
  return (
    <section class="confirm">
      <h1>End the doubt about this meter event?</h1>
      <p>
        {counted(event.quantity, "unit")} of {event.meter} in the hour of <When at={event.hour} />, for
        customer {event.stripeCustomerId}. Look at Stripe's sum of this hour first: resolving has no way back.
      </p>
      <WindowSumPart event={event} sum={sum} />
      <ResolveForm action={`${path}/resolve`} back={path} />
    </section>
  );
}

type All = { fields: Narrowed["fields"]; count: number; quantity: number };

/** The same of all in doubt that the list's filters match. */
export function ResolveAllPage({ fields, count, quantity }: All) {
  return (
    <section class="confirm">
      <h1>End the doubt about {counted(count, "meter event")}?</h1>
      <Matched fields={fields} quantity={quantity} />
      <p>
        One answer and one reason for all of them: look at Stripe's sums of their hours first. Resolving has
        no way back.
      </p>
      {count > resolvedMax && (
        <p>The first {inDigits(resolvedMax)} of them, the oldest; repeat it for the rest.</p>
      )}
      <ResolveForm action={`${eventsPath}/resolve`} back={withQuery(eventsPath, fields)}>
        {Object.entries(fields).map(
          ([name, value]) => value !== undefined && <input type="hidden" name={name} value={value} />,
        )}
      </ResolveForm>
    </section>
  );
}

function ResolveForm({ action, back, children }: { action: string; back: string; children?: Child }) {
  return (
    <form method="post" action={action} class="stack">
      {children}
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
      <label>
        Reason
        <input type="text" name="reason" required maxlength={500} />
        <small>Is kept with the event and the action, and shown to others.</small>
      </label>
      <div class="row">
        <button type="submit" class="main">
          Resolve
        </button>
        <a class="button" href={back}>
          Back
        </a>
      </div>
    </form>
  );
}
