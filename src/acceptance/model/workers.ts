import { createBreaker } from "../../delivery/breaker.ts";
import { deliver } from "../../delivery/deliver.ts";
import { type FinishedAttempt, settleAttempts } from "../../delivery/settle.ts";
import { type TakenJob, takeJobs } from "../../delivery/take-jobs.ts";
import { createOpenShipments } from "../../delivery/open-shipments.ts";
import { endShipped, takeShipped, unloadLate } from "../../delivery/take-shipments.ts";
import { silentLog } from "../../log.ts";
import type { MeterName } from "../../usage/meters.ts";
import type { Mood } from "./remembering-stripe.ts";
import type { World } from "./world.ts";

export const leaseSeconds = 45;

/** The fate of an attempt's worker. */
export const fates = ["settles", "oversleeps", "dies_before_sending", "dies_after_sending"] as const;
type Fate = (typeof fates)[number];

export type Plan = { meter: MeterName; room: number; moods: readonly Mood[]; fates: readonly Fate[] };

const eventNames = { temperature_readings: "temperature_readings", active_sensors: "active_sensors" };

/** One worker's turn: it sends what it may take, and each attempt has its own answer and fate. */
export async function deliverSome(world: World, plan: Plan): Promise<{ jobs: number }> {
  const { db } = world.database;
  const breaker = createBreaker({ db, log: silentLog }, { leaseSeconds });
  const permit = await breaker.permitFor(plan.meter);
  if (permit.kind === "paused") return { jobs: 0 };
  const probedScope = permit.kind === "probe" ? permit.scope : undefined;
  const room = permit.kind === "probe" ? 1 : plan.room;
  const deps = { ...world, db, log: silentLog, open: createOpenShipments(() => performance.now()) };
  const alone = await takeJobs(deps, plan.meter, { room, leaseSeconds });
  const shipped =
    alone.taken.length < room
      ? await takeShipped(deps, plan.meter, { room: room - alone.taken.length, leaseSeconds })
      : { found: 0, taken: [] };
  const taken = [...alone.taken, ...shipped.taken];
  for (const [index, one] of taken.entries()) {
    noteAttempt(world, one);
    const finished = await attempt(world, one, {
      mood: plan.moods[index % plan.moods.length] ?? "accept",
      fate: plan.fates[index % plan.fates.length] ?? "settles",
    });
    if (finished === undefined) continue;
    await breaker.observe(finished.verdict, { meter: plan.meter, probedScope });
    await endShipped(deps, [one.attempt.meterEventId]);
  }
  await unloadLate(deps, -1);
  return { jobs: alone.jobs + shipped.found };
}

/** Every attempt has a number of its own, also where the one before it died. */
function noteAttempt(
  { latestAttempts }: World,
  { attempt: { meterEventId, attempt: number } }: TakenJob,
): void {
  const latest = latestAttempts.get(meterEventId) ?? 0;
  if (number <= latest)
    throw new Error(`attempt ${number} at ${meterEventId} was begun after attempt ${latest}`);
  latestAttempts.set(meterEventId, number);
}

async function attempt(
  world: World,
  taken: TakenJob,
  { mood, fate }: { mood: Mood; fate: Fate },
): Promise<FinishedAttempt | undefined> {
  if (fate === "dies_before_sending") return undefined;
  const [finished] = await deliver([taken], {
    transport: {
      eventsPerRequestMax: 1,
      send: async (requests) => {
        const answers = requests.map((request) => world.stripe.answer(mood, request));
        return answers[0] ?? { kind: "success", httpStatus: 200, requestId: null };
      },
    },
    eventNames,
    log: silentLog,
    now: () => new Date(),
  });
  if (finished === undefined) return undefined;
  if (fate === "dies_after_sending") {
    world.stripe.loseAnswer(taken.attempt.meterEventId);
    return undefined;
  }
  if (fate === "oversleeps") world.held.push(finished);
  else await settle(world, [finished]);
  return finished;
}

/** The workers that overslept wake up and settle. */
export async function settleHeld(world: World): Promise<void> {
  const held = world.held.splice(0);
  if (held.length > 0) await settle(world, held);
}

async function settle(
  { database: { db }, boss, latestAttempts }: World,
  batch: readonly FinishedAttempt[],
): Promise<void> {
  // Two attempts at one event never share a transaction: each comes from another worker's sleep.
  for (const finished of batch) {
    const { meterEventId, attempt: number } = finished.attempt;
    const settled = await settleAttempts({ db, boss }, [finished]);
    if (settled.has(meterEventId) && latestAttempts.get(meterEventId) !== number) {
      throw new Error(`attempt ${number} at ${meterEventId} was settled after a later one had begun`);
    }
  }
}
