import { setTimeout as pause } from "node:timers/promises";
import type { Simulator } from "../../simulator/create-simulator.ts";
import { until } from "../../testing/processes/until.ts";
import { type CrashProcess, startCrashProcess } from "./crash-process.ts";

/** Log events at which the stand-in worker kills itself, each a step of a delivery. */
const crashEvents = [
  "entries_sealed",
  "attempts_beginning",
  "attempts_begun",
  "attempts_answered",
  "attempts_settling",
  "meter_event_delivered",
  "meter_event_not_delivered",
] as const;

export const steps = [...crashEvents, "during_request", "shutdown", "random"] as const;
export type Step = (typeof steps)[number];

export type Killer = {
  environment: Record<string, string>;
  simulator: Simulator;
  random: () => number;
};

const reachedWithinMs = 15_000;
const lifeMsMax = 2_500;
/** Below the worker's deadline for a request, which a shutdown waits for. */
const shutdownMsMax = 500;

/** Steps that hold a request: only one worker may run, so that it makes the request. */
export const lonelySteps: readonly Step[] = ["during_request", "shutdown"];

/** Starts a worker and kills it at the step. True if it was there when the kill came. */
export async function killWorkerAt(step: Step, killer: Killer): Promise<boolean> {
  switch (step) {
    case "during_request":
      return killDuringRequest(killer);
    case "shutdown":
      return killInShutdown(killer);
    case "random":
      return killAfter(killer.random() * lifeMsMax, startCrashProcess("worker", killer.environment));
    case "entries_sealed":
    case "attempts_beginning":
    case "attempts_begun":
    case "attempts_answered":
    case "attempts_settling":
    case "meter_event_delivered":
    case "meter_event_not_delivered":
      return killAtEvent(step, killer);
  }
}

async function killAtEvent(event: string, { environment, random }: Killer): Promise<boolean> {
  const nth = String(random() < 0.6 ? 1 : 2);
  const child = startCrashProcess("crash-worker", {
    ...environment,
    CRASH_EVENT: event,
    CRASH_NTH: nth,
  });
  const isReached = await Promise.race([child.died(), pause(reachedWithinMs, false)]);
  if (!isReached) await killed(child);
  return isReached;
}

/** The worker dies while it waits for an answer. */
async function killDuringRequest(killer: Killer): Promise<boolean> {
  return killed(await startAndHold(killer));
}

/** The worker is told to stop, and dies while it waits for its last answer. */
async function killInShutdown(killer: Killer): Promise<boolean> {
  const child = await startAndHold(killer);
  child.signal("SIGTERM");
  const isStopping = await child.says("worker_stopping", reachedWithinMs);
  return (await killAfter(killer.random() * shutdownMsMax, child)) && isStopping;
}

/** Starts a worker whose first undisturbed request the simulator never answers; returns once it is held. */
async function startAndHold({ environment, simulator, random }: Killer): Promise<CrashProcess> {
  const heldBefore = heldRequests(simulator);
  simulator.addFault({
    kind: "never_answer",
    record: random() < 0.5,
    times: 1,
    path: "/v1/billing/meter_events",
  });
  const child = startCrashProcess("worker", environment);
  await until(() => heldRequests(simulator) > heldBefore, {
    what: "a request to be held",
    standing: child.output,
  });
  return child;
}

function heldRequests(simulator: Simulator): number {
  return simulator.requests().by_outcome["never"] ?? 0;
}

/** A random moment: the time itself is tested here, and no condition is waited for. */
export async function killAfter(ms: number, child: CrashProcess): Promise<boolean> {
  await pause(ms);
  return killed(child);
}

async function killed(child: CrashProcess): Promise<boolean> {
  child.signal("SIGKILL");
  return child.died();
}
