import { setTimeout as sleep } from "node:timers/promises";
import type { Outbox } from "./operator-api.ts";

const pollEveryMs = 200;

export type Following = {
  readOutbox: () => Promise<Outbox>;
  isReplayDone: () => boolean;
  onOutbox: (outbox: Outbox) => void;
  /** How long billing may take once the replay is done. */
  patienceMs: number;
  signal: AbortSignal;
};

/**
 * Watches the outbox until the replay is done and nothing in it waits any more. Throws with what still waits, and why
 * if the API knows, when that takes too long.
 */
export async function followBilling(following: Following): Promise<void> {
  let deadlineMs = Number.POSITIVE_INFINITY;
  for (;;) {
    // Asked before the outbox, so that an empty outbox after the last reading is what it seems.
    const isReplayDone = following.isReplayDone();
    const outbox = await following.readOutbox();
    following.onOutbox(outbox);
    if (isReplayDone && isDrained(outbox)) return;
    if (isReplayDone) deadlineMs = Math.min(deadlineMs, performance.now() + following.patienceMs);
    if (performance.now() > deadlineMs) throw new Error(describeDelay(outbox, following.patienceMs));
    await sleep(pollEveryMs, undefined, { signal: following.signal });
  }
}

function isDrained({ unsealed, meter_events: events }: Outbox): boolean {
  return unsealed.entries === 0 && events.pending.count === 0;
}

function describeDelay({ unsealed, meter_events: events, paused }: Outbox, patienceMs: number): string {
  const pauses = paused.map(({ scope, reason }) => `; delivery is paused for ${scope}: ${reason}`).join("");
  return (
    `${patienceMs / 1_000} seconds after the last reading ${unsealed.entries} entries are not sealed and ` +
    `${events.pending.count} meter events not delivered${pauses}`
  );
}
