import { write, writeSync } from "node:fs";
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

type LogOptions = {
  level: LogLevel;
  /** The process (api, worker, …), named on every line. */
  service: string;
  /** Hears of lines that were lost because stdout took none for too long. */
  onLost?: (lines: number) => void;
};

/** Creates the process's logger. A stdout that takes no lines, as on a full disk, holds up nothing. */
export function createLog({ level, service, onLost = () => {} }: LogOptions): Log {
  const format = {
    level,
    base: { service },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: describeError },
  };
  const onWritable = (lost: number) => log.warn({ event: "log_lines_lost", count: lost });
  const log = pino(format, gatherLines({ onLost, onWritable }));
  return log;
}

const stdoutFd = 1;
const gatherMs = 10;
const againAfterMs = 100;
/** An ending process does not wait longer for stdout. */
const patienceMs = 1_000;
/** What waits for stdout at most; later lines are lost. */
const waitingLengthMax = 4_194_304;

/**
 * Lines of the same hundredth of a second go out in one write: written one by one, each cost a request more than its
 * validation did. What stdout refuses is tried again until it takes it. Waiting lines are written when the process ends; a killed process may lose those of its last hundredth of a second.
 *
 * `onWritable` hears how many lines were lost, once stdout takes others again.
 */
function gatherLines({
  onLost,
  onWritable,
}: {
  onLost: (lines: number) => void;
  onWritable: (lost: number) => void;
}): DestinationStream {
  let lines: string[] = [];
  let waitingLength = 0;
  let lost = 0;
  /** What is left of the lines that are written at the moment. */
  let rest = Buffer.alloc(0);
  let state: "idle" | "writing" | "refused" = "idle";
  let writingSinceMs = 0;

  function pass(): void {
    if (state !== "idle" || lines.length === 0) return;
    rest = Buffer.from(lines.join(""));
    lines = [];
    waitingLength = 0;
    writeRest();
  }

  function writeRest(): void {
    state = "writing";
    writingSinceMs = performance.now();
    write(stdoutFd, rest, (error, bytes) => {
      state = error === null ? "idle" : "refused";
      if (error !== null) return void setTimeout(writeRest, againAfterMs).unref();
      rest = rest.subarray(bytes);
      if (rest.length > 0) return writeRest();
      const untold = lost;
      lost = 0;
      if (untold > 0) onWritable(untold);
      pass();
    });
  }

  process.once("exit", () => {
    // The thread that writes would keep the process for as long as the reader does not read.
    const isStuck = state === "writing" && performance.now() - writingSinceMs > patienceMs;
    if (isStuck) process.kill(process.pid, "SIGKILL");
    // A write that is under way is finished by its thread.
    if (state !== "writing") lines.unshift(rest.toString());
    writeLast(Buffer.from(lines.join("")));
  });
  return {
    write: (line) => {
      if (waitingLength + line.length > waitingLengthMax) {
        lost += 1;
        return onLost(1);
      }
      waitingLength += line.length;
      if (lines.push(line) === 1) setTimeout(pass, gatherMs);
    },
  };
}

/** Writes the last lines of an ending process, unless stdout refuses them. */
function writeLast(text: Buffer): void {
  const endsAtMs = performance.now() + patienceMs;
  for (let left = text; left.length > 0 && performance.now() < endsAtMs;) {
    try {
      left = left.subarray(writeSync(stdoutFd, left));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) return;
    }
  }
}

type ErrorDescription = {
  type: string;
  message: string;
  code?: string;
  /** Of a cluster, where a node of it failed. */
  node?: string;
  cause?: ErrorDescription;
  errors?: ErrorDescription[];
};

/** What Citus adds to an error that a node answered with. */
const ofNode = /while executing command on (\S+)/;

// Named fields only: libraries hang requests, headers and connection options on their errors, and those hold secrets.
function describeError(error: unknown): ErrorDescription {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  const node = "where" in error ? ofNode.exec(String(error.where))?.[1] : undefined;
  return {
    type: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(node !== undefined && { node }),
    ...(error.cause !== undefined && { cause: describeError(error.cause) }),
    ...(error instanceof AggregateError && { errors: error.errors.map(describeError) }),
  };
}

/** A logger that says nothing, for tests and tools. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
