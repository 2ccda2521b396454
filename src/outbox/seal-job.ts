import type { PgBoss } from "pg-boss";
import { keepTrying } from "../database/keep-trying.ts";
import { type SealJob, sealJobPayload, sealQueue } from "../queue/queues.ts";
import { type WorkDeps, workQueue } from "../queue/work-queue.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { PartlySealed, type SealDeps, sealDueEntries, type SealOptions, type SealResult } from "./seal.ts";

/** pg-boss's shortest interval. An operator's "seal now" waits no longer than this. */
const pollSeconds = 0.5;
/** A seal that failed, or left organizations out, is tried again after this long, however long the interval is. */
const afterFailureSeconds = 30;

export type SealJobOptions = {
  intervalSeconds: number;
  /** The meters that may be sent now. Entries of other meters wait, and fold by the hour meanwhile. */
  openMeters: () => Promise<readonly MeterName[]>;
  /** Shadow mode: what is sealed is not sent. */
  isShadow?: boolean;
  /** A seal ends after this long, which is less than its job's lease. One that is not done goes on in the next job. */
  secondsMax?: number;
};

/** A seal of all that has happened until now, or what an earlier one left of its own. */
type Turn = { goesOn: SealOptions["goesOn"]; nextTurnAt: Date };

/**
 * Works the seal queue: seals due entries, and sends the next job for `intervalSeconds` after this turn's begin. A seal
 * that ends before it is done, or is held back, goes on before that, and leaves what has happened meanwhile: otherwise
 * all organizations would have something to seal again, and the longer delivery is behind, the more events it would get.
 */
export async function workSealQueue(
  deps: WorkDeps & Pick<SealDeps, "db" | "tracer" | "onSealed">,
  { intervalSeconds, openMeters, isShadow = false, secondsMax = 30 }: SealJobOptions,
): Promise<void> {
  const { boss, log } = deps;
  const msMax = Math.min(intervalSeconds, secondsMax) * 1_000;
  const seal = async ({ evenIfPaused }: SealJob, { goesOn }: Turn): Promise<SealResult> => {
    const meters = evenIfPaused ? meterNames : await openMeters();
    return sealDueEntries(deps, { meters, msMax, isShadow, goesOn });
  };
  const tell = (result: SealResult, { goesOn }: Turn, startedAtMs: number): void => {
    const { heldBack, cutOff: _, ...sealed } = result;
    const durationMs = Math.round(performance.now() - startedAtMs);
    if (sealed.events > 0) log.info({ event: "entries_sealed", ...sealed, duration_ms: durationMs });
    if (heldBack.some((meter) => !goesOn?.heldBack.includes(meter)))
      log.warn({ event: "seal_held_back", meters: heldBack });
  };
  await workQueue(deps, { queue: sealQueue.name, pollingIntervalSeconds: pollSeconds }, async ([job]) => {
    const asked = sealJobPayload.safeParse(job?.data).data ?? { evenIfPaused: false };
    const turn = turnOf(asked, intervalSeconds);
    const startedAtMs = performance.now();
    let result: SealResult | undefined;
    let hasFailed = false;
    try {
      result = await seal(asked, turn);
    } catch (error) {
      hasFailed = true;
      // All other organizations have their seal, which goes on.
      if (error instanceof PartlySealed) result = error.result;
      throw error;
    } finally {
      if (result !== undefined) tell(result, turn, startedAtMs);
      const remind = () =>
        remindAgain(boss, { ...turn, evenIfPaused: asked.evenIfPaused, hasFailed }, result);
      await remind().catch((error: unknown) => {
        keepTrying(deps, "the reminder to seal", remind);
        throw error;
      });
    }
  });
}

function turnOf({ goesOn }: SealJob, intervalSeconds: number): Turn {
  const latest = new Date(Date.now() + intervalSeconds * 1_000);
  // Later than the interval allows: by another worker's clock, or by an interval that was longer before.
  if (goesOn === undefined || goesOn.nextTurnAt > latest) return { goesOn: undefined, nextTurnAt: latest };
  return { goesOn, nextTurnAt: goesOn.nextTurnAt };
}

async function remindAgain(
  boss: PgBoss,
  { evenIfPaused, nextTurnAt, hasFailed }: Pick<SealJob, "evenIfPaused"> & Turn & { hasFailed: boolean },
  result: SealResult | undefined,
): Promise<void> {
  const secondsLeft = Math.max(0, Math.round((nextTurnAt.getTime() - Date.now()) / 1_000));
  const soon = hasFailed ? Math.min(secondsLeft, afterFailureSeconds) : secondsLeft;
  if (result === undefined) return remindToSeal(boss, { afterSeconds: soon });
  const { cutOff, heldBack, stopped, events } = result;
  const goesOn = { cutOff, heldBack, nextTurnAt };
  const isAskedFor = evenIfPaused && stopped === "time" && events > 0;
  // To its end, since no other seal does it while sending is paused.
  if (isAskedFor) await requestSeal(boss, goesOn);
  if (isAskedFor || soon === 0 || (stopped === "done" && !hasFailed)) {
    return remindToSeal(boss, { afterSeconds: secondsLeft });
  }
  await boss.send(sealQueue.name, { goesOn }, { startAfter: stopped === "done" ? soon : 0 });
}

/** Sends the job that seals; does nothing when one waits already. */
export async function remindToSeal(boss: PgBoss, { afterSeconds }: { afterSeconds: number }): Promise<void> {
  await boss.send(sealQueue.name, {}, { startAfter: afterSeconds });
}

/**
 * Asks for a seal as soon as a worker can, beside the job that waits for its time, and even while sending is paused.
 * `goesOn`: where a seal that was asked for ended before it was done.
 */
export async function requestSeal(boss: PgBoss, goesOn?: SealJob["goesOn"]): Promise<void> {
  await boss.send(sealQueue.name, { evenIfPaused: true, goesOn }, { singletonKey: "now" });
}
