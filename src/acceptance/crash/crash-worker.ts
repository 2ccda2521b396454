import { readWorkerConfig } from "../../config.ts";
import { openDatabase } from "../../database/pool.ts";
import { createLog, type Log, type LogEvent } from "../../log.ts";
import { startJobs } from "../../worker/worker-jobs.ts";
import { listenToStopSignals } from "../../process/stop-signals.ts";

/**
 * A worker that kills itself at an exact step: `CRASH_EVENT` names the log event, `CRASH_NTH` which one of them.
 * Nothing of the worker runs after it, so that its last log lines may be missing.
 */
const crashEvent = process.env["CRASH_EVENT"] ?? "";
let left = Number(process.env["CRASH_NTH"] ?? "1");

const config = readWorkerConfig();
const log = lethal(createLog({ level: "debug", service: "worker" }));
const database = openDatabase(
  { connectionString: config.DATABASE_URL, applicationName: "meter-outbox crash worker", connectionsMax: 8 },
  log,
);
const stopSignal = listenToStopSignals("service").takeOver();
const jobs = await startJobs({ db: database.db, log }, config);
log.info({ event: "worker_started", port: null });
log.info({ event: "worker_stopping", signal: await stopSignal });
await jobs.stop(config.SHUTDOWN_GRACE_SECONDS * 1_000);
await database.close();

function lethal(inner: Log): Log {
  const dieOf = (fields: LogEvent) => {
    if (fields.event !== crashEvent) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
  };
  return {
    debug: (fields) => (inner.debug(fields), dieOf(fields)),
    info: (fields) => (inner.info(fields), dieOf(fields)),
    warn: (fields) => (inner.warn(fields), dieOf(fields)),
    error: (fields) => (inner.error(fields), dieOf(fields)),
  };
}
