import type { Job, PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import { keepTrying } from "../database/keep-trying.ts";
import { sealJobPayload, sealQueue } from "../queue/queues.ts";
import { type WorkDeps, workQueue } from "../queue/work-queue.ts";
import type { Tracer } from "../tracing/tracer.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import { sealDueEntries } from "./seal.ts";

/** pg-boss's shortest interval. An operator's "seal now" waits no longer than this. */
const pollSeconds = 0.5;

export type SealJobOptions = {
  intervalSeconds: number;
  /** The meters that may be sent now. Entries of other meters wait, and fold by the hour meanwhile. */
  openMeters: () => Promise<readonly MeterName[]>;
  /** Shadow mode: what is sealed is not sent. */
  isShadow?: boolean;
};

/** A seal ends after this long, and the next one begins at once with the entries that have arrived meanwhile. */
const sealSecondsMax = 30;

/**
 * Works the seal queue: seals due entries, and sends the next job for `intervalSeconds` later, or for now where there
 * is more to seal.
 */
export async function workSealQueue(
  deps: WorkDeps & { db: Db; tracer?: Tracer },
  { intervalSeconds, openMeters, isShadow = false }: SealJobOptions,
): Promise<void> {
  const { boss, log } = deps;
  const msMax = Math.min(intervalSeconds, sealSecondsMax) * 1_000;
  const seal = async (jobs: Job<unknown>[]) => {
    const isForced = jobs.some((job) => sealJobPayload.safeParse(job.data).data?.evenIfPaused === true);
    const startedAtMs = performance.now();
    const meters = isForced ? meterNames : await openMeters();
    const { heldBack, ...sealed } = await sealDueEntries(deps, { meters, msMax, isShadow });
    const durationMs = Math.round(performance.now() - startedAtMs);
    if (sealed.events > 0) log.info({ event: "entries_sealed", ...sealed, duration_ms: durationMs });
    if (heldBack.length > 0) log.warn({ event: "seal_held_back", meters: heldBack });
  };
  await workQueue(deps, { queue: sealQueue.name, pollingIntervalSeconds: pollSeconds }, async (jobs) => {
    const startedAtMs = performance.now();
    try {
      await seal(jobs);
    } finally {
      const passedSeconds = (performance.now() - startedAtMs) / 1_000;
      const afterSeconds = Math.max(0, Math.round(intervalSeconds - passedSeconds));
      const remind = () => remindToSeal(boss, { afterSeconds });
      await remind().catch((error: unknown) => {
        keepTrying(deps, "the reminder to seal", remind);
        throw error;
      });
    }
  });
}

/** Sends the job that seals; does nothing when one waits already. */
export async function remindToSeal(boss: PgBoss, { afterSeconds }: { afterSeconds: number }): Promise<void> {
  await boss.send(sealQueue.name, {}, { startAfter: afterSeconds });
}

/**
 * Asks for a seal as soon as a worker can, beside the job that waits for its time, and even while sending is paused.
 */
export async function requestSeal(boss: PgBoss): Promise<void> {
  await boss.send(sealQueue.name, { evenIfPaused: true }, { singletonKey: "now" });
}
