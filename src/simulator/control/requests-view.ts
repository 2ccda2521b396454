import { maxInFlight } from "../request/in-flight.ts";
import { recentRequests, type LoggedRequest } from "../request/request-log.ts";
import type { Simulation } from "../state.ts";

export type RequestsView = {
  total: number;
  /** By status, or by what happened to the connection: `cut`, `cut_in_body`, `drip`, `never`. */
  by_outcome: Record<string, number>;
  by_route: Record<string, number>;
  /** The most requests under way at once per customer and meter; more than 1 breaks Stripe's rule. */
  max_in_flight: { event_name: string; customer: string; max: number }[];
  /** Identifiers that came with two different quantities; there should be none. */
  conflicting_identifiers: { identifier: string; values: string[] }[];
  recent: LoggedRequest[];
};

/** The requests that came in, summed up, with the latest ones in full. */
export function requestsView(state: Simulation): RequestsView {
  const { requestLog } = state;
  return {
    total: requestLog.total,
    by_outcome: Object.fromEntries(requestLog.byOutcome),
    by_route: Object.fromEntries(requestLog.byRoute),
    max_in_flight: maxInFlight(state.inFlight).map(({ eventName, customer, max }) => ({
      event_name: eventName,
      customer,
      max,
    })),
    conflicting_identifiers: [...requestLog.conflictingValues].map(([identifier, values]) => ({
      identifier,
      values: [...values],
    })),
    recent: recentRequests(requestLog),
  };
}
