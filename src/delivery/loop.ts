import type { PgBoss } from "pg-boss";
import type { Db } from "../database/db.ts";
import type { Log } from "../log.ts";
import { wait } from "../process/wait.ts";
import { type MeterName, meterNames } from "../usage/meters.ts";
import type { Breaker } from "./breaker.ts";
import { deliver, type DeliverOptions, holdBack } from "./deliver.ts";
import { attemptsPerSlot, eventAheadMsMax } from "./limits.ts";
import type { Scope } from "./pauses.ts";
import type { FinishedAttempt } from "./settle.ts";
import { createSettler } from "./settler.ts";
import { createSlots } from "./slots.ts";
import { type TakenJob, takeJobs } from "./take-jobs.ts";
import type { TokenBucket } from "./token-bucket.ts";
import { type DeliveryWatch, unwatched } from "./watch.ts";

export type DeliveryLoop = {
  /** Takes no further jobs; resolves when every request under way is settled, or after `graceMs`. */
  stop: (graceMs: number) => Promise<void>;
};

export type DeliveryLoopOptions = DeliverOptions & {
  /** Requests under way at most. */
  concurrency: number;
  leaseSeconds: number;
  bucket: TokenBucket;
  breaker: Breaker;
  watch?: DeliveryWatch;
  /** Stripe's clock; without it no event is held back for being ahead of it. */
  stripeNowMs?: () => number;
};

type Deps = { db: Db; boss: PgBoss; log: Log };

/** Jobs taken from pg-boss at once. */
const batchMax = 100;
const idleMs = 500;
const afterErrorMs = 1_000;

/**
 * Delivers until stopped. It takes as many jobs from pg-boss as requests may start soon: while as many as may be are
 * under way, others have begun, and what was answered is settled meanwhile, so that no request waits for the database.
 * What is taken waits for a few other requests at most (`attemptsPerSlot`), which its lease allows for. A pause or a
 * stop holds back what waits, which costs it nothing, and leaves all else untouched in its queue.
 */
export function startDelivery(deps: Deps, options: DeliveryLoopOptions): DeliveryLoop {
  const { watch = unwatched } = options;
  const settler = createSettler(deps, watch);
  const slots = createSlots(options.concurrency);
  /** From the begin of their attempts until these are settled. */
  const inFlight = new Set<Promise<void>>();
  let unanswered = 0;
  const unansweredMax = attemptsPerSlot * options.concurrency;
  const inFlightMax = 2 * unansweredMax;
  /** Room for fewer is not filled at once: a fetch costs the same for one job as for many. */
  const worthwhile = unansweredMax / 2;
  /** Resolves when a request was answered, or its attempts were settled. */
  let progress = Promise.withResolvers<void>();
  /** Until when a meter is not asked for jobs again, since it had none; its customers' next may come sooner. */
  const restingUntilMs = new Map<MeterName, number>();
  const stopping = new AbortController();
  const pause = (ms: number) => wait(ms, stopping.signal);
  const { eventsPerRequestMax } = options.transport;
  const requestsRoom = () => Math.min(unansweredMax - unanswered, inFlightMax - inFlight.size);
  const room = () => Math.min(requestsRoom() * eventsPerRequestMax, options.bucket.available(), batchMax);

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await step();
      } catch (error) {
        watch.onFailed();
        deps.log.error({ event: "delivery_step_failed", error });
        await pause(afterErrorMs);
      }
    }
  }

  async function step(): Promise<void> {
    if (requestsRoom() < worthwhile) return progress.promise;
    if (room() < 1) return pause(options.bucket.waitMs());
    let jobs = 0;
    for (const meter of meterNames) {
      if (room() >= 1 && !stopping.signal.aborted) jobs += await stepMeter(meter);
    }
    if (jobs === 0) await idle();
  }

  /** The end of a request makes room for its customer's next event. */
  async function idle(): Promise<void> {
    const over = new AbortController();
    await Promise.race([wait(idleMs, AbortSignal.any([stopping.signal, over.signal])), progress.promise]);
    over.abort();
  }

  async function stepMeter(meter: MeterName): Promise<number> {
    if (performance.now() < (restingUntilMs.get(meter) ?? 0)) return 0;
    const permit = await options.breaker.permitFor(meter);
    if (permit.kind === "paused") return 0;
    const isProbe = permit.kind === "probe";
    const { jobs, taken } = await takeJobs(deps, meter, {
      room: isProbe ? 1 : room(),
      leaseSeconds: options.leaseSeconds,
      sendableUntil: sendableUntil(),
    });
    if (jobs === 0) restingUntilMs.set(meter, performance.now() + idleMs);
    if (isProbe && taken.length === 0) await options.breaker.giveBackProbe(permit.scope);
    options.bucket.take(taken.length);
    for (const shipment of chunksOf(taken, eventsPerRequestMax)) {
      launch(meter, shipment, isProbe ? permit.scope : undefined);
    }
    return jobs;
  }

  function sendableUntil(): Date | undefined {
    return options.stripeNowMs && new Date(options.stripeNowMs() + eventAheadMsMax);
  }

  function launch(meter: MeterName, shipment: readonly TakenJob[], probedScope: Scope | undefined): void {
    const flight = fly(shipment, probedScope)
      .catch(reportFailure)
      .finally(() => {
        inFlight.delete(flight);
        restingUntilMs.delete(meter);
        tellProgress();
      });
    inFlight.add(flight);
  }

  function tellProgress(): void {
    progress.resolve();
    progress = Promise.withResolvers();
  }

  async function fly(shipment: readonly TakenJob[], probedScope: Scope | undefined): Promise<void> {
    await Promise.all((await takeTurn(shipment, probedScope)).map(settler.settle));
  }

  async function takeTurn(
    shipment: readonly TakenJob[],
    probedScope: Scope | undefined,
  ): Promise<FinishedAttempt[]> {
    unanswered += 1;
    try {
      return await slots.run(async () => {
        if (!(await isHeldBack(shipment, probedScope))) return makeAttempts(shipment, probedScope);
        const held = holdBack(shipment);
        // A stop held back a pause's probe: others may make it at once, not only when its lease is over.
        if (probedScope !== undefined && held[0] !== undefined) await observe(held[0], probedScope);
        return held;
      });
    } finally {
      unanswered -= 1;
      tellProgress();
    }
  }

  /** Sending has stopped, or paused, while these waited for their turn. */
  async function isHeldBack([first]: readonly TakenJob[], probedScope: Scope | undefined): Promise<boolean> {
    if (stopping.signal.aborted || first === undefined) return true;
    return probedScope === undefined && options.breaker.isPaused(first.attempt.meter);
  }

  // What the answer says of Stripe is heeded before the next request starts.
  async function makeAttempts(
    shipment: readonly TakenJob[],
    probedScope: Scope | undefined,
  ): Promise<FinishedAttempt[]> {
    const finished = await deliver(shipment, { ...options, log: deps.log });
    deps.log.debug({ event: "attempts_answered", count: finished.length });
    const [first] = finished;
    if (first !== undefined) await learn(first, { finished, probedScope });
    return finished;
  }

  async function learn(
    first: FinishedAttempt,
    { finished, probedScope }: { finished: readonly FinishedAttempt[]; probedScope: Scope | undefined },
  ): Promise<void> {
    try {
      watch.onAnswered(finished);
      options.bucket.observe(first.verdict);
    } catch (error) {
      reportFailure(error);
    }
    await observe(first, probedScope);
  }

  async function observe(
    { verdict, attempt }: FinishedAttempt,
    probedScope: Scope | undefined,
  ): Promise<void> {
    try {
      await options.breaker.observe(verdict, { meter: attempt.meter, probedScope });
    } catch (error) {
      // The pause could not be written; the next failure writes it. This attempt's outcome must not be lost for it.
      watch.onFailed();
      deps.log.error({ event: "breaker_failed", error });
    }
  }

  function reportFailure(error: unknown): void {
    watch.onFailed();
    deps.log.error({ event: "deliver_failed", error });
  }

  const running = run();
  return {
    async stop(graceMs) {
      stopping.abort();
      const settled = new AbortController();
      const finished = running.then(() => Promise.all(inFlight)).finally(() => settled.abort());
      await Promise.race([finished, wait(graceMs, settled.signal)]);
    },
  };
}

function chunksOf<T>(items: readonly T[], size: number): T[][] {
  const chunks: T[][] = [];
  for (let start = 0; start < items.length; start += size) chunks.push(items.slice(start, start + size));
  return chunks;
}
