import type { Log, LogEvent } from "../log.ts";

/** A logger that remembers its events, so that a test can look for what must, or must not, be among them. */
export function createRecordingLog(): { log: Log; events: LogEvent[] } {
  const events: LogEvent[] = [];
  const record = (event: LogEvent) => void events.push(event);
  return { log: { debug: record, info: record, warn: record, error: record }, events };
}
