import type { Child } from "hono/jsx";
import { summaryOf } from "../../monitoring/alerts/alert-post.ts";
import type { Condition } from "../../monitoring/alerts/find-conditions.ts";
import { asAge, counted, inDigits, secondsBetween } from "../parts/figures.ts";
import { Ago, When } from "../parts/when.tsx";
import type { Shared } from "../shared-read.ts";
import type { RoadFigures } from "./read-road.ts";
import { whatToDo } from "./what-to-do.ts";

export type Live = {
  figures: Shared<RoadFigures>;
  attention: Shared<Condition[]>;
  now: Date;
  mayAct: boolean;
};

/** The start page: what came in, what waits and since when, and what an operator has to look at. */
export function RoadPage({ live }: { live: Live }) {
  return (
    <>
      <h1>The road of a reading</h1>
      <LivePart live={live} />
    </>
  );
}

/** All of it that changes by itself; the page asks for it again every two seconds while it is seen. */
export function LivePart({ live: { figures, attention, now, mayAct } }: { live: Live }) {
  const { value, readAt, failure } = figures;
  return (
    <div id="live" hx-get="/console/road/live" hx-trigger="renew from:body" hx-swap="outerHTML">
      {failure !== undefined && (
        <p class="notice bad" role="alert">
          The database does not answer. These are the figures of <Ago at={readAt} now={now} />.
        </p>
      )}
      <Pauses paused={value.paused} now={now} mayAct={mayAct} />
      <Stations figures={value} now={now} />
      <Aside figures={value} />
      <Attention attention={attention} />
      <p class="small freshness" data-read-at={readAt.toISOString()}>
        Figures of <When at={readAt} />
      </p>
    </div>
  );
}

type PausesProps = { paused: RoadFigures["paused"]; now: Date; mayAct: boolean };

function Pauses({ paused, now, mayAct }: PausesProps) {
  return (
    <>
      {paused.map(({ scope, reason, since, until }) => (
        <div class="notice warn row" role="status">
          <p>
            <strong>
              {scope === "account" ? "All delivery is paused" : `Delivery of ${scope} is paused`}
            </strong>
            : {reason.replaceAll("_", " ")}. Since <Ago at={new Date(since)} now={now} />
            {until === null ? ", until somebody resumes it." : probeWords(new Date(until), now)}
          </p>
          {mayAct && (
            <a class="button" href={`/console/delivery/resume?scope=${scope}`}>
              Resume
            </a>
          )}
        </div>
      ))}
    </>
  );
}

function probeWords(until: Date, now: Date): string {
  const seconds = secondsBetween(now, until);
  return seconds <= 0 ? "; the next probe is due." : `; the next probe in ${asAge(seconds)}.`;
}

function Stations({ figures, now }: { figures: RoadFigures; now: Date }) {
  const { unsealed, meter_events: events, inFlight, oldest_undelivered_at: oldest } = figures;
  const due = { entries: unsealed.entries - unsealed.held.entries };
  return (
    <ol class="road" aria-label="The stations of the road">
      <Station name="Unsealed" value={inDigits(due.entries)} state="unsealed" isBusy={due.entries > 0}>
        {due.entries === 0
          ? "No entry waits for the seal."
          : `${counted(due.entries, "entry", "entries")} to seal`}
        {unsealed.oldest_at !== null && (
          <>
            , the oldest from <Ago at={new Date(unsealed.oldest_at)} now={now} />
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
            , the oldest of <Ago at={new Date(oldest)} now={now} />
          </>
        )}
      </Station>
      <Station
        name="Delivered"
        value={inDigits(events.delivered.count)}
        state="delivered"
        href={listOf("delivered")}
        isBusy={false}
      >
        {inDigits(events.delivered.quantity)} units of usage at Stripe
      </Station>
    </ol>
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

/** What left the road, or has not come onto it. */
function Aside({ figures }: { figures: RoadFigures }) {
  const { meter_events: events, unsealed } = figures;
  const rows = [
    {
      state: "held",
      count: unsealed.held.entries,
      says: "entries wait for a Stripe customer",
      href: "/console/organizations",
    },
    {
      state: "in_doubt",
      count: events.in_doubt.count,
      says: "Stripe may or may not have counted them",
      href: listOf("in_doubt"),
    },
    {
      state: "rejected",
      count: events.rejected.count,
      says: "Stripe refused them",
      href: listOf("rejected"),
    },
    {
      state: "expired",
      count: events.expired.count,
      says: "became too old for Stripe",
      href: listOf("expired"),
    },
  ];
  return (
    <section aria-label="Beside the road">
      <h2>Beside the road</h2>
      <ul class="asides">
        {rows.map(({ state, count, says, href }) => (
          <li class={`aside state-${state} ${count === 0 ? "calm" : ""}`}>
            <span class="number">{inDigits(count)}</span>
            <span>
              <strong>
                <a href={href}>{state.replaceAll("_", " ")}</a>
              </strong>{" "}
              <span class="small">{says}</span>
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Attention({ attention: { value: conditions } }: { attention: Shared<Condition[]> }) {
  return (
    <section aria-label="Needs attention">
      <h2>Needs attention</h2>
      {conditions.length === 0 ? (
        <p class="calm-words">
          Nothing. No alert of docs/alerts.yaml that the database can tell of holds now.
        </p>
      ) : (
        <ul class="attention">
          {conditions.map((condition) => (
            <li class={condition.rule.severity}>
              <p>
                <strong class="severity">{condition.rule.severity}</strong> {summaryOf(condition)}
              </p>
              <p class="small">{whatToDo(condition.rule.name)}</p>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
