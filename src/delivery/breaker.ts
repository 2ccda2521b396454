import type { Kysely } from "kysely";
import type { DB } from "../database/schema.ts";
import type { Log } from "../log.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { healthOf, pauseAfter } from "./breaker-rules.ts";
import { account, claimProbe, endPause, type Pause, readPauses, type Scope, trip } from "./pauses.ts";
import type { Verdict } from "./verdict.ts";

/** What may be sent of a meter now: anything, one attempt to see whether the scope works again, or nothing. */
export type Permit = { kind: "free" } | { kind: "probe"; scope: Scope } | { kind: "paused" };

export type Breaker = {
  /** The meters that no pause concerns, as far as this process knows. */
  openMeters: () => Promise<readonly MeterName[]>;
  permitFor: (meter: MeterName) => Promise<Permit>;
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
  { db, log }: { db: Kysely<DB>; log: Log },
  { leaseSeconds }: { leaseSeconds: number },
): Breaker {
  let pauses: Pause[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  let failuresInRow = 0;

  async function refresh(): Promise<void> {
    if (performance.now() - readAtMs < believedMs) return;
    pauses = await readPauses(db);
    readAtMs = performance.now();
  }

  async function openMeters(): Promise<readonly MeterName[]> {
    await refresh();
    if (pauses.some(({ scope }) => scope === account)) return [];
    return meterNames.filter((meter) => !pauses.some(({ scope }) => scope === meter));
  }

  async function permitFor(meter: MeterName): Promise<Permit> {
    await refresh();
    const pause =
      pauses.find(({ scope }) => scope === account) ?? pauses.find(({ scope }) => scope === meter);
    if (pause === undefined) return { kind: "free" };
    if (pause.until === null || pause.until.getTime() > Date.now()) return { kind: "paused" };
    readAtMs = Number.NEGATIVE_INFINITY;
    const isClaimed = await claimProbe(db, pause.scope, { leaseSeconds });
    return isClaimed ? { kind: "probe", scope: pause.scope } : { kind: "paused" };
  }

  async function observe(
    verdict: Verdict,
    { meter, probedScope }: { meter: string; probedScope: Scope | undefined },
  ): Promise<void> {
    const health = healthOf(verdict);
    if (health === "works") failuresInRow = 0;
    if (health === "fails") failuresInRow += 1;
    const isProbe = probedScope !== undefined;
    const pause =
      pauseAfter(verdict, { meter, failuresInRow }) ??
      (isProbe && health === "fails" ? pauseAfter(verdict, { meter, failuresInRow: Infinity }) : undefined);
    if (pause !== undefined) {
      const isTripped = await trip(db, pause, { isProbe: probedScope === pause.scope });
      if (isTripped) log.error({ event: "delivery_paused", scope: pause.scope, reason: pause.reason });
      readAtMs = Number.NEGATIVE_INFINITY;
    }
    // A probe of the account that finds only its meter missing shows the account at work.
    if (isProbe && pause?.scope !== probedScope && health !== "says_nothing") {
      await endPause(db, probedScope);
      log.info({ event: "delivery_resumed", scope: probedScope });
      readAtMs = Number.NEGATIVE_INFINITY;
    }
  }

  return { openMeters, permitFor, observe };
}
