import { type DestinationStream, pino } from "pino";

/** A logger of events with fields; one JSON line each on stdout. Never hand it a payload, a key or a token. */
export type Log = {
  debug: (fields: LogEvent) => void;
  info: (fields: LogEvent) => void;
  warn: (fields: LogEvent) => void;
  error: (fields: LogEvent) => void;
};

export type LogEvent = { event: string } & Record<string, unknown>;

export type LogLevel = "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";

/** Creates the process's logger. `service` names the process (api, worker, …) on every line. */
export function createLog(options: { level: LogLevel; service: string }): Log {
  const format = {
    level: options.level,
    base: { service: options.service },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: describeError },
  };
  return pino(format, gatherLines());
}

const gatherMs = 10;

/**
 * Lines of the same hundredth of a second go out in one write: written one by one, each cost a request more than its
 * validation did. Waiting lines are written when the process ends; a killed process may lose those of its last
 * hundredth of a second.
 */
function gatherLines(): DestinationStream {
  const stdout = pino.destination({ sync: false });
  const lines: string[] = [];
  const pass = () => {
    if (lines.length > 0) stdout.write(lines.splice(0).join(""));
  };
  process.once("exit", () => {
    pass();
    stdout.flushSync();
  });
  return {
    write: (line) => {
      if (lines.push(line) === 1) setTimeout(pass, gatherMs);
    },
  };
}

type ErrorDescription = {
  type: string;
  message: string;
  code?: string;
  cause?: ErrorDescription;
  errors?: ErrorDescription[];
};

// Named fields only: libraries hang requests, headers and connection options on their errors, and those hold secrets.
function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return {
    type: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
    ...(error instanceof AggregateError && { errors: error.errors.map(describeError) }),
  };
}

/** A logger that says nothing, for tests and tools. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
