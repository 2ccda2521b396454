import type { Route } from "../request/route.ts";
import type { Touched } from "../request/touched.ts";
import type { Simulation } from "../state.ts";
import type { ActionSpec, Fault, FaultSpec, LatencySpec } from "./fault.ts";

type Target = { route: Route; path: string; touched: readonly Touched[] };

/** The faults of a request: at most one delay and at most one action, each the first rule that matches. */
export type Struck = { latency: LatencySpec | undefined; action: ActionSpec | undefined };

const unstruck: Struck = { latency: undefined, action: undefined };

/** Chooses the faults of a request and counts them as fired. */
export function pickFaults(state: Simulation, target: Target): Struck {
  if (state.faults.length === 0) return unstruck;
  const struck = { ...unstruck };
  for (const fault of state.faults) {
    const { spec } = fault;
    const isTaken = spec.kind === "latency" ? struck.latency !== undefined : struck.action !== undefined;
    if (isTaken || !isMatch(fault, target) || state.random() >= spec.rate) continue;
    fault.fired += 1;
    state.totals.faultsFired += 1;
    if (spec.kind === "latency") struck.latency = spec;
    else struck.action = spec;
  }
  return struck;
}

function isMatch({ spec, fired }: Fault, { route, path, touched }: Target): boolean {
  return (
    fired < (spec.times ?? Infinity) &&
    isPossible(spec, route) &&
    (spec.path === undefined || path.startsWith(spec.path)) &&
    (spec.customer === undefined || touched.some(({ customer }) => customer === spec.customer)) &&
    (spec.meter === undefined || touched.some(({ eventName }) => eventName === spec.meter))
  );
}

/** Some faults make no sense elsewhere, and must not use up their `times` there. */
function isPossible(spec: FaultSpec, route: Route): boolean {
  switch (spec.kind) {
    case "duplicate_processing":
    case "refuse_later":
      return route.takesEvents === true;
    case "inactive_meter":
      return route.takesEvents === true && route.needsSession !== true;
    case "expired_session":
      return route.needsSession === true;
    case "latency":
    case "status":
    case "wrong_key":
    case "forbidden":
    case "cut_before":
    case "accept_then_cut":
    case "accept_then_500":
    case "stored_500":
    case "never_answer":
    case "slow_drip":
      return true;
  }
}
