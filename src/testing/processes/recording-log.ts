import type { Log, LogEvent } from "../../log.ts";

type Level = keyof Log;

/**
 * A logger that remembers its events, so that a test can look for those that must, or must not, be among them. `at`
 * gives the events of one level.
 */
export function createRecordingLog(): { log: Log; events: LogEvent[]; at: (level: Level) => LogEvent[] } {
  const lines: { level: Level; event: LogEvent }[] = [];
  const events: LogEvent[] = [];
  const record = (level: Level) => (event: LogEvent) => {
    events.push(event);
    lines.push({ level, event });
  };
  const log = {
    debug: record("debug"),
    info: record("info"),
    warn: record("warn"),
    error: record("error"),
  };
  const at = (wanted: Level) => lines.filter(({ level }) => level === wanted).map(({ event }) => event);
  return { log, events, at };
}
