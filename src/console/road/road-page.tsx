import { asAge, inDigits, secondsBetween } from "../parts/figures.ts";
import { remedyOfPause } from "../parts/pause-remedy.ts";
import { Ago, When } from "../parts/when.tsx";
import type { Shared } from "../shared-read.ts";
import type { RunningSums } from "../../reconciliation/running-sums.ts";
import type { Attention } from "./read-attention.ts";
import { AttentionPart } from "./attention-part.tsx";
import { FigurePlots, type Plots } from "./figure-plots.tsx";
import type { RoadFigures } from "./read-road.ts";
import { Stations } from "./stations.tsx";

export type Live = {
  figures: Shared<RoadFigures>;
  /** Undefined: it is read for the first time, and that takes long. */
  attention: Shared<Attention> | undefined;
  sums: Shared<RunningSums>;
  now: Date;
  mayAct: boolean;
};

/** The start page: what came in, what waits and since when, what an operator has to look at, and how it was before. */
export function RoadPage({ live, plots }: { live: Live; plots: Plots }) {
  return (
    <>
      <h1>The road of a reading</h1>
      <LivePart live={live} />
      <FigurePlots plots={plots} />
    </>
  );
}

/** All of it that changes by itself; the page asks for it again every two seconds while it is seen. */
export function LivePart({ live: { figures, attention, sums, now, mayAct } }: { live: Live }) {
  const { value, readAt, failure } = figures;
  return (
    <div id="live" hx-get="/console/road/live" hx-trigger="renew from:body" hx-swap="outerHTML">
      {failure !== undefined && (
        <p class="notice bad" role="alert">
          The database does not answer. These are the figures of <Ago at={readAt} now={now} />.
        </p>
      )}
      <Pauses paused={value.paused} now={now} mayAct={mayAct} />
      {value.shadow && (
        <p class="notice warn" role="status">
          <strong>Nothing is sent to Stripe, on purpose</strong>: the workers run with
          DELIVERY_TRANSPORT=none.
        </p>
      )}
      <Stations figures={value} sums={sums.value} now={now} />
      <Aside figures={value} />
      <AttentionPart attention={attention} now={now} />
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
            {until === null ? ", until somebody resumes it." : probeWords(new Date(until), now)}{" "}
            {until !== null && remedyOfPause(reason)}
          </p>
          {mayAct && (
            <a class="button" id={`resume-${scope}`} href={`/console/delivery/resume?scope=${scope}`}>
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
      href: "/console/organizations?billing=held",
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
