import type { MeterEvent } from "../../delivery/meter-events.ts";
import type { WindowSum } from "../../reconciliation/window-sum.ts";
import { counted } from "../parts/figures.ts";
import { When } from "../parts/when.tsx";
import { eventsPath } from "./events-page.tsx";
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
      <form method="post" action={`${path}/resolve`} class="stack">
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
          <a class="button" href={path}>
            Back
          </a>
        </div>
      </form>
    </section>
  );
}
