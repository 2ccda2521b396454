import type { Child } from "hono/jsx";
import type { LatestMinute } from "../../monitoring/figures/read-figures.ts";
import type { RunningSums } from "../../reconciliation/running-sums.ts";
import { asRate, counted, inDigits } from "../parts/figures.ts";
import { Ago, When } from "../parts/when.tsx";
import type { RoadFigures } from "./read-road.ts";

type StationsProps = { figures: RoadFigures; sums: RunningSums; now: Date };

/** From a reading that comes in to Stripe's own sum. */
export function Stations({ figures, sums, now }: StationsProps) {
  const { unsealed, oldestDueAt, meter_events: events, inFlight, latest } = figures;
  const { oldest_undelivered_at: oldest } = figures;
  const due = { entries: unsealed.entries - unsealed.held.entries };
  return (
    <ol class="road" aria-label="The stations of the road">
      <Intake latest={latest} />
      <Station name="Unsealed" value={inDigits(due.entries)} state="unsealed" isBusy={due.entries > 0}>
        {due.entries === 0
          ? "No entry waits for the seal."
          : `${counted(due.entries, "entry", "entries")} to seal`}
        {oldestDueAt !== null && (
          <>
            , the oldest from <Ago at={oldestDueAt} now={now} />
          </>
        )}
      </Station>
      <Station
        name="Pending"
        value={inDigits(events.pending.count)}
        state="pending"
        href={listOf("pending")}
        isBusy={events.pending.count > 0}
      >
        {inDigits(inFlight)} in flight to Stripe
        {oldest !== null && (
          <>
            ; the oldest usage that is pending or in doubt is of <Ago at={new Date(oldest)} now={now} />
          </>
        )}
      </Station>
      <Station
        name="Delivered a minute"
        value={latest === null ? "–" : inDigits(latest.delivered)}
        state="delivered"
        href={listOf("delivered")}
        isBusy={(latest?.delivered ?? 0) > 0}
      >
        {counted(events.delivered.count, "meter event")} at Stripe so far,{" "}
        {inDigits(events.delivered.quantity)} units of usage
      </Station>
      <StripesSum sums={sums} now={now} />
    </ol>
  );
}

function Intake({ latest }: { latest: LatestMinute }) {
  if (latest === null) {
    return (
      <Station name="Readings a second" value="–" state="taken" isBusy={false}>
        No worker has counted the latest minute.
      </Station>
    );
  }
  const readings = latest.taken.temperature_readings ?? 0;
  return (
    <Station name="Readings a second" value={asRate(readings / 60)} state="taken" isBusy={readings > 0}>
      {counted(readings, "reading")} in the minute until <When at={latest.endsAt} />
    </Station>
  );
}

/** Of the running periods: closed ones stand among the books. */
function StripesSum({ sums, now }: { sums: RunningSums; now: Date }) {
  const { periods, compared, different, theirs, ours, readSince } = sums;
  const name = "Stripe's sum";
  const href = "/console/books";
  if (readSince === null) {
    return (
      <Station name={name} value="–" state="confirmed" href={href} isBusy={false}>
        {periods === 0
          ? "No billing period runs."
          : `None of ${counted(periods, "running period")} has been compared yet.`}
      </Station>
    );
  }
  return (
    <Station
      name={name}
      value={inDigits(theirs)}
      state={different === 0 ? "confirmed" : "different"}
      href={href}
      isBusy={false}
    >
      readings of {inDigits(compared)} of {counted(periods, "running period")}; ours {inDigits(ours)}
      {different === 0 ? "" : `, ${counted(different, "customer")} different`}. Read since{" "}
      <Ago at={readSince} now={now} />
    </Station>
  );
}

type StationProps = {
  name: string;
  value: string;
  state: string;
  isBusy: boolean;
  href?: string;
  children?: Child;
};

function Station({ name, value, state, isBusy, href, children }: StationProps) {
  return (
    <li class={`station state-${state} ${isBusy ? "busy" : ""}`}>
      <h2>{href === undefined ? name : <a href={href}>{name}</a>}</h2>
      <p class="number">{value}</p>
      <p class="small">{children}</p>
    </li>
  );
}

function listOf(state: string): string {
  return `/console/meter-events?state=${state}`;
}
