import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { healthOf, pauseAfter } from "./breaker-rules.ts";
import {
  account,
  claimProbe,
  endPause,
  giveBackProbe,
  hasPending,
  type Pause,
  readPauses,
  type Scope,
  trip,
} from "./pauses.ts";
import type { Verdict } from "./verdict.ts";

/** What may be sent of a meter now: anything, one attempt to see whether the scope works again, or nothing. */
export type Permit = { kind: "free" } | { kind: "probe"; scope: Scope } | { kind: "paused" };

export type Breaker = {
  /** The meters that may be sealed: no pause concerns them, as far as this process knows, or only new usage can end it. */
  openMeters: () => Promise<readonly MeterName[]>;
  permitFor: (meter: MeterName) => Promise<Permit>;
  /** Whether a pause concerns the meter, its probe's included, as far as this process knows. */
  isPaused: (meter: MeterName) => Promise<boolean>;
  /** There was nothing to probe with: whoever has something may do so at once. */
  giveBackProbe: (scope: Scope) => Promise<void>;
  /** Learns from an attempt. `probedScope` is what its permit was a probe of. */
  observe: (verdict: Verdict, attempt: { meter: string; probedScope: Scope | undefined }) => Promise<void>;
};

/** How long what was read of the pauses is believed; a pause made by this process counts at once. */
const believedMs = 1_000;

/**
 * This process's side of the circuit breaker that all workers share through `delivery_control`. It reads pauses at
 * most once a second, makes them after what attempts tell, and lets one probe through when a pause's time is over.
 */
export function createBreaker(
  { db, log }: { db: Db; log: Log },
  { leaseSeconds }: { leaseSeconds: number },
): Breaker {
  let pauses: Pause[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  let changes = 0;
  let failuresInRow = 0;

  async function refresh(): Promise<void> {
    if (performance.now() - readAtMs < believedMs) return;
    const changesBefore = changes;
    const askedAtMs = performance.now();
    pauses = await readPauses(db);
    if (changes === changesBefore) readAtMs = askedAtMs;
    // A pause that was made while the answer was on its way may be missing in it.
    else await refresh();
  }

  function forget(): void {
    changes += 1;
    readAtMs = Number.NEGATIVE_INFINITY;
  }

  async function openMeters(): Promise<readonly MeterName[]> {
    await refresh();
    const closed: Scope[] = [];
    for (const pause of pauses) {
      if (!(await lacksProbe(pause))) closed.push(pause.scope);
    }
    if (closed.includes(account)) return [];
    return meterNames.filter((meter) => !closed.includes(meter));
  }

  // Nothing that waits could tell whether it works again: without new events the pause would never end.
  async function lacksProbe({ scope, until }: Pause): Promise<boolean> {
    return until !== null && until.getTime() <= Date.now() && !(await hasPending(db, scope));
  }

  function findPause(meter: MeterName): Pause | undefined {
    return pauses.find(({ scope }) => scope === account) ?? pauses.find(({ scope }) => scope === meter);
  }

  async function permitFor(meter: MeterName): Promise<Permit> {
    await refresh();
    const pause = findPause(meter);
    if (pause === undefined) return { kind: "free" };
    if (pause.until === null || pause.until.getTime() > Date.now()) return { kind: "paused" };
    const isClaimed = await claimProbe(db, pause.scope, { leaseSeconds });
    forget();
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
    if (pause !== undefined) {
      const isTripped = await trip(db, pause, { isProbe: probedScope === pause.scope });
      if (isTripped) log.error({ event: "delivery_paused", scope: pause.scope, reason: pause.reason });
      forget();
    }
    // A probe of the account that finds only its meter missing shows the account at work.
    if (probedScope !== undefined && pause?.scope !== probedScope && health === "works") {
      await endPause(db, probedScope);
      log.info({ event: "delivery_resumed", scope: probedScope });
      forget();
    }
    // A probe that Stripe only put off is made again as soon as the token bucket allows, not after its lease.
    if (probedScope !== undefined && pause === undefined && health === "says_nothing") {
      await giveBack(probedScope);
    }
  }

  async function giveBack(scope: Scope): Promise<void> {
    await giveBackProbe(db, scope);
    forget();
  }

  return {
    openMeters,
    permitFor,
    isPaused: async (meter) => {
      await refresh();
      return findPause(meter) !== undefined;
    },
    giveBackProbe: giveBack,
    observe,
  };
}
