import { type EventEmitter, once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { Db } from "../../database/db.ts";
import { passSeconds } from "../model/pass-time.ts";
import { startCrashProcess } from "./crash-process.ts";
import { type Gateway, postUntilStopped } from "./gateway.ts";
import { killAfter, type Killer, killWorkerAt, lonelySteps, type Step, steps } from "./kills.ts";

export type CrashRun = Killer & {
  db: Db;
  gateways: readonly Gateway[];
  /** Hears "stored" whenever a gateway is answered 200. */
  answers: EventEmitter;
  /** Where the API listens whenever it lives. */
  apiUrl: string;
  /** The API's environment; `environment` is the worker's. */
  apiEnvironment: Record<string, string>;
};

/** `api_at_answer`: the API's deaths at the moment of an answer. */
export type Deaths = Record<Step | "api" | "api_at_answer", number>;

/** Longer than any lease, so that everything a dead worker held is free. */
const pastEveryLeaseSeconds = 90;
const postEveryMs = 600;
const apiLifeMsMax = 4_000;
const atAnswerRate = 0.7;
const triesMax = 6;
/** How often the next workers start with the leases of the dead still running. */
const leaseStaysRate = 0.3;

/**
 * Posts readings all the time, kills `killsMin` workers, two of them alive at once, and the API meanwhile. Returns the
 * deaths by step. No process of the service is left running.
 */
export async function killUntil(run: CrashRun, killsMin: number): Promise<Deaths> {
  const stopping = new AbortController();
  const deaths = Object.fromEntries([...steps, "api", "api_at_answer"].map((step) => [step, 0])) as Deaths;
  const load = postUntilStopped(run.gateways, {
    apiUrl: run.apiUrl,
    everyMs: postEveryMs,
    signal: stopping.signal,
  });
  const api = killApiUntilStopped(run, deaths, stopping.signal);
  try {
    for (const wave of wavesOf(planKills(run, killsMin))) {
      await Promise.all(wave.map((step) => killWorker(run, deaths, step)));
      if (run.random() >= leaseStaysRate) await passSeconds(run.db, pastEveryLeaseSeconds);
    }
  } finally {
    stopping.abort();
    await Promise.all([load, api]);
  }
  return deaths;
}

/** Every step in turn, so that a short run has each of them. */
function planKills({ random }: CrashRun, count: number): Step[] {
  const plan = Array.from({ length: count }, (_, n) => steps[n % steps.length] ?? "random");
  return plan
    .map((step) => ({ step, rank: random() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ step }) => step);
}

/** Two workers at once; but to kill a worker for the request that it holds, the test must know which worker that is. */
function wavesOf(plan: readonly Step[]): Step[][] {
  const alone = plan.filter((step) => lonelySteps.includes(step)).map((step) => [step]);
  const others = plan.filter((step) => !lonelySteps.includes(step));
  const pairs = others.flatMap((step, n) => (n % 2 === 0 ? [[step, ...others.slice(n + 1, n + 2)]] : []));
  return [...pairs, ...alone];
}

/** A slow machine may kill a worker before its step; such a death is not counted, and the next worker gets the step. */
async function killWorker(run: CrashRun, deaths: Deaths, step: Step): Promise<void> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    if (!(await killWorkerAt(step, run))) continue;
    deaths[step] += 1;
    return;
  }
}

/** At any moment, or at the very moment of an answer: answered readings must be stored by then. */
async function killApiUntilStopped(run: CrashRun, deaths: Deaths, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const api = startCrashProcess("api", run.apiEnvironment);
    const isAtAnswer = await untilItsTime(run, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
      return false;
    });
    if (!(await killAfter(0, api))) continue;
    deaths.api += 1;
    if (isAtAnswer) deaths.api_at_answer += 1;
  }
}

/** Resolves with whether the API has just answered. */
async function untilItsTime({ random, answers }: CrashRun, signal: AbortSignal): Promise<boolean> {
  await pause(random() * apiLifeMsMax, undefined, { signal });
  if (random() >= atAnswerRate) return false;
  await once(answers, "stored", { signal });
  return true;
}
