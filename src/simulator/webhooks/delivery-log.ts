const loggedMax = 10_000;

/** One attempt to deliver an event to an endpoint, or the dropping of one. */
export type DeliveryAttempt = {
  event_id: string;
  type: string;
  payload: "snapshot" | "thin";
  endpoint_id: string;
  url: string;
  /** 1 for the first; 0 when the event was dropped instead. */
  attempt: number;
  /** 1, and up to `webhook_copies` when each event is sent several times. */
  copy: number;
  outcome: "delivered" | "refused" | "unreachable" | "dropped";
  /** The receiver's HTTP status; null without an answer. */
  status: number | null;
  fault: string | null;
  /** In real time, as deliveries are made in real time. */
  at: string;
  duration_ms: number;
};

/** The latest attempts, oldest first. */
export type DeliveryLog = { total: number; recent: DeliveryAttempt[] };

/** Creates the empty log. */
export function createDeliveryLog(): DeliveryLog {
  return { total: 0, recent: [] };
}

/** Adds one attempt. Only the latest ten thousand are kept. */
export function logAttempt(log: DeliveryLog, attempt: DeliveryAttempt): void {
  log.total += 1;
  log.recent.push(attempt);
  if (log.recent.length >= 2 * loggedMax) log.recent.splice(0, loggedMax);
}

/** The attempts that are kept, oldest first. */
export function recentAttempts(log: DeliveryLog): DeliveryAttempt[] {
  return log.recent.slice(-loggedMax);
}
