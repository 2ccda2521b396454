import type { Touched } from "./touched.ts";

const recentMax = 1_000;

export type LoggedRequest = {
  request_id: string;
  received_at: string;
  method: string;
  path: string;
  /** The status that was sent, or what happened to the connection. */
  outcome: string;
  idempotency_key: string | null;
  identifiers: string[];
  faults: string[];
};

/** The requests that came in: sums, the latest requests in full, and the quantities seen per identifier. */
export type RequestLog = {
  total: number;
  byOutcome: Map<string, number>;
  byRoute: Map<string, number>;
  recent: LoggedRequest[];
  firstValues: Map<string, string>;
  conflictingValues: Map<string, Set<string>>;
};

/** Creates the empty log. */
export function createRequestLog(): RequestLog {
  return {
    total: 0,
    byOutcome: new Map(),
    byRoute: new Map(),
    recent: [],
    firstValues: new Map(),
    conflictingValues: new Map(),
  };
}

/** Adds one request. Only the latest thousand are kept in full. */
export function logRequest(log: RequestLog, entry: LoggedRequest, route: string): void {
  log.total += 1;
  addOne(log.byOutcome, entry.outcome);
  addOne(log.byRoute, route);
  log.recent.push(entry);
  // Dropping a thousand at a time keeps this cheap under load.
  if (log.recent.length >= 2 * recentMax) log.recent.splice(0, recentMax);
}

/** The latest requests, oldest first. */
export function recentRequests(log: RequestLog): LoggedRequest[] {
  return log.recent.slice(-recentMax);
}

/** Notes the quantity that an identifier came with: a second, different one means that a sender changed it. */
export function noteQuantities(log: RequestLog, touched: readonly Touched[]): void {
  for (const { identifier, value } of touched) {
    if (identifier === undefined || value === undefined) continue;
    const first = log.firstValues.get(identifier);
    if (first === undefined) log.firstValues.set(identifier, value);
    else if (first !== value) noteConflict(log, identifier, [first, value]);
  }
}

function noteConflict(log: RequestLog, identifier: string, values: string[]): void {
  const known = log.conflictingValues.get(identifier) ?? new Set<string>();
  for (const value of values) known.add(value);
  log.conflictingValues.set(identifier, known);
}

function addOne(counters: Map<string, number>, name: string): void {
  counters.set(name, (counters.get(name) ?? 0) + 1);
}
