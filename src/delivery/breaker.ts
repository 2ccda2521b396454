import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { healthOf, mayNewUsageProbe, pauseAfter } from "./breaker-rules.ts";
import { createKnownPauses } from "./known-pauses.ts";
import {
  account,
  type BreakerPause,
  claimProbe,
  endPause,
  giveBackProbe,
  type Pause,
  readWaiting,
  type Scope,
  trip,
} from "./pauses.ts";
import type { Verdict } from "./verdict.ts";

/** What may be sent of a meter now: anything, one attempt to see whether the scope works again, or nothing. */
export type Permit = { kind: "free" } | { kind: "probe"; scope: Scope } | { kind: "paused" };

export type Breaker = {
  /** The meters that may be sealed: no pause concerns them, as far as this process knows, or new usage is to probe with. */
  openMeters: () => Promise<readonly MeterName[]>;
  permitFor: (meter: MeterName) => Promise<Permit>;
  /** Whether a pause concerns the meter, its probe's included, as far as this process knows. */
  isPaused: (meter: MeterName) => Promise<boolean>;
  /** There was nothing to probe with: another worker may do so at once. */
  giveBackProbe: (scope: Scope) => Promise<void>;
  /** Learns from an attempt. `probedScope`: the scope that the attempt was a probe of. */
  observe: (verdict: Verdict, attempt: { meter: string; probedScope: Scope | undefined }) => Promise<void>;
};

/**
 * This process's side of the circuit breaker that all workers share through `delivery_control`. It makes pauses from
 * the outcomes of attempts, and lets one probe through when a pause's time is over.
 */
export function createBreaker(
  { db, log }: { db: Db; log: Log },
  { leaseSeconds }: { leaseSeconds: number },
): Breaker {
  const pauses = createKnownPauses(db);
  let failuresInRow = 0;

  async function permitFor(meter: MeterName): Promise<Permit> {
    const pause = await pauses.concerning(meter);
    if (pause === undefined) return { kind: "free" };
    if (pause.until === null || pause.until > pause.readAt) return { kind: "paused" };
    const isClaimed = await claimProbe(db, pause.scope, { leaseSeconds });
    pauses.forget();
    return isClaimed ? { kind: "probe", scope: pause.scope } : { kind: "paused" };
  }

  async function observe(
    verdict: Verdict,
    { meter, probedScope }: { meter: string; probedScope: Scope | undefined },
  ): Promise<void> {
    const health = healthOf(verdict);
    if (health === "works") failuresInRow = 0;
    if (health === "fails") failuresInRow += 1;
    // One failure is enough to go on with a pause, and not enough to begin one.
    const isRun = probedScope === account;
    const pause = pauseAfter(verdict, { meter, failuresInRow: isRun ? Infinity : failuresInRow });
    if (pause !== undefined) await makePause(pause, { isProbe: probedScope === pause.scope });
    if (probedScope === undefined) return;
    // A probe of the account that finds only its meter missing shows the account at work.
    if (pause?.scope !== probedScope && health === "works") await resume(probedScope);
    // A probe that Stripe only put off is made again as soon as the token bucket allows, not after its lease.
    if (pause === undefined && health === "says_nothing") await giveBack(probedScope);
  }

  async function makePause(pause: BreakerPause, { isProbe }: { isProbe: boolean }): Promise<void> {
    const isTripped = await trip(db, pause, { isProbe });
    if (isTripped) log.error({ event: "delivery_paused", scope: pause.scope, reason: pause.reason });
    pauses.forget();
  }

  async function resume(scope: Scope): Promise<void> {
    await endPause(db, scope);
    log.info({ event: "delivery_resumed", scope });
    pauses.forget();
  }

  async function giveBack(scope: Scope): Promise<void> {
    await giveBackProbe(db, scope);
    pauses.forget();
  }

  return {
    openMeters: async () => openMetersAmong(db, await pauses.all()),
    permitFor,
    isPaused: async (meter) => (await pauses.concerning(meter)) !== undefined,
    giveBackProbe: giveBack,
    observe,
  };
}

async function openMetersAmong(db: Db, pauses: readonly Pause[]): Promise<readonly MeterName[]> {
  const closed: Scope[] = [];
  for (const pause of pauses) {
    if (!(await lacksProbe(db, pause))) closed.push(pause.scope);
  }
  if (closed.includes(account)) return [];
  return meterNames.filter((meter) => !closed.includes(meter));
}

// Nothing waits that could be a probe, and without new events the pause would never end.
async function lacksProbe(db: Db, pause: Pause): Promise<boolean> {
  return mayNewUsageProbe(pause, await readWaiting(db, pause.scope));
}
