import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { type Repeating, repeat, wait } from "../process/wait.ts";
import type { Transport } from "../usage/transports.ts";
import { clockFault } from "./clock-fault.ts";

const beatEveryMs = 10_000;
/** A process that leaves does not wait longer for a database that does not answer. */
const farewellMsMax = 1_000;
/** A clock that stays wrong is logged this often. */
const clockTellEveryMs = 60_000;
const keptDays = 30;

/** Meter events a second: what a worker may send at the moment, and at most. */
export type SendRate = { perSecond: number; perSecondMax: number };

/** What a process says of itself; a worker, how it sends usage, how fast, and what its close gate may do. */
export type Beating =
  | { kind: "api" }
  | {
      kind: "worker";
      transport: Transport;
      closeGate?: "off" | "watch" | "hold";
      readRate?: (() => SendRate | undefined) | undefined;
    };

export type HeartbeatDeps = { db: Db; log: Log; now?: () => Date };

/**
 * Writes every ten seconds that this process runs, and at its end that it does not. Compares the clocks on the way, so
 * that a wrong clock is logged even if no probe comes. A beat that fails is logged; the next one is due as usual.
 */
export function startHeartbeat(
  { db, log, now = () => new Date() }: HeartbeatDeps,
  process: Beating,
): Repeating {
  const id = randomUUID();
  let toldAtMs: number | undefined;

  function compare(aheadMs: number): void {
    const fault = clockFault(aheadMs);
    if (fault === undefined) {
      if (toldAtMs !== undefined) log.info({ event: "clock_right" });
      toldAtMs = undefined;
      return;
    }
    if (toldAtMs !== undefined && performance.now() - toldAtMs < clockTellEveryMs) return;
    toldAtMs = performance.now();
    log.error({ event: "clock_off", message: fault, ahead_ms: Math.round(aheadMs) });
  }

  async function beat(): Promise<void> {
    const askedAtMs = now().getTime();
    const databaseNow = await writeBeat(db, id, process);
    compare((askedAtMs + now().getTime()) / 2 - databaseNow.getTime());
  }

  const onError = (error: unknown) => log.warn({ event: "heartbeat_failed", error });
  const beating = repeat(beat, { everyMs: beatEveryMs, onError });
  return {
    stop: async () => {
      const left = new AbortController();
      const farewell = beating.stop().then(() => writeEnd(db, id).catch(onError));
      await Promise.race([farewell, wait(farewellMsMax, left.signal)]);
      left.abort();
    },
  };
}

/** Forgets processes that were last seen long ago. For a worker: the API may not. */
export async function forgetOldProcesses(db: Db): Promise<void> {
  await sql`
    delete from metering.processes where seen_at < now() - make_interval(days => ${keptDays})
  `.execute(db);
}

async function writeBeat(db: Db, id: string, process: Beating): Promise<Date> {
  const { columns, changes } = whatItSays(id, process);
  const written = await sql<{ now: Date }>`
    insert into metering.processes ${columns}
    on conflict (id) do update set seen_at = now(), stopped_at = null${changes}
    returning clock_timestamp() as now
  `.execute(db);
  const [row] = written.rows;
  if (row === undefined) throw new Error("the heartbeat was not written");
  return row.now;
}

/** The API's role may not write how a worker works. */
function whatItSays(id: string, process: Beating) {
  if (process.kind === "api") return { columns: sql`(id, kind) values (${id}, 'api')`, changes: sql`` };
  const { transport, closeGate = null } = process;
  const { perSecond = null, perSecondMax = null } = process.readRate?.() ?? {};
  return {
    columns: sql`
      (id, kind, transport, close_gate, rate_per_second, rate_per_second_max)
      values (${id}, 'worker', ${transport}, ${closeGate}, ${perSecond}, ${perSecondMax})`,
    changes: sql`, rate_per_second = excluded.rate_per_second, rate_per_second_max = excluded.rate_per_second_max`,
  };
}

async function writeEnd(db: Db, id: string): Promise<void> {
  await sql`update metering.processes set seen_at = now(), stopped_at = now() where id = ${id}`.execute(db);
}
