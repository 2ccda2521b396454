import type { Kysely } from "kysely";
import type { PgBoss } from "pg-boss";
import type { DB } from "../../database/schema.ts";
import { createBreaker } from "../../delivery/breaker.ts";
import { deliver } from "../../delivery/deliver.ts";
import { type FinishedAttempt, settleAttempts } from "../../delivery/settle.ts";
import { type TakenJob, takeJobs } from "../../delivery/take-jobs.ts";
import { registerSensors } from "../../intake/sensors.ts";
import { storeReadings } from "../../intake/store-readings.ts";
import { silentLog } from "../../log.ts";
import { createBoss } from "../../queue/boss.ts";
import { meterNames, type MeterName } from "../../usage/meters.ts";
import { appendEntries } from "../entries.ts";
import { hourMs } from "../hours.ts";
import { addOrganization } from "../organizations.ts";
import { createTestDatabase, type TestDatabase } from "../test-database.ts";
import { passHours } from "./pass-time.ts";
import { createRememberingStripe, type Mood, type RememberingStripe } from "./remembering-stripe.ts";

export const leaseSeconds = 45;

export type Organization = {
  id: string;
  customer: string;
  /** Readings that were answered accepted. */
  posted: number;
  /** The latest gauge value. */
  gauge: number | null;
  /** When it was measured, on a clock that never moves back. */
  gaugeAtMs: number;
};

/** The service by hand, step by step and in one process, with a Stripe that remembers what it counted. */
export type World = {
  database: TestDatabase;
  boss: PgBoss;
  stripe: RememberingStripe;
  organizations: readonly [Organization, Organization];
  /** Attempts that were answered, by workers that have overslept and not settled yet. */
  held: FinishedAttempt[];
  hoursPassed: number;
  /** The number of the latest attempt at each event. */
  latestAttempts: Map<string, number>;
  close: () => Promise<void>;
};

/** What becomes of an attempt's worker. */
export const fates = ["settles", "oversleeps", "dies_before_sending", "dies_after_sending"] as const;
export type Fate = (typeof fates)[number];

export type Plan = { meter: MeterName; room: number; moods: readonly Mood[]; fates: readonly Fate[] };

const sensor = "sensor-1";
const eventNames = { temperature_readings: "temperature_readings", active_sensors: "active_sensors" };

/** Opens a world on a database of its own; `close` ends both. */
export async function openWorld(): Promise<World> {
  const database = await createTestDatabase({ applicationName: "model test" });
  const boss = createBoss({ databaseUrl: database.url, role: "worker", connectionsMax: 2 }, silentLog);
  await boss.start();
  const world: World = {
    database,
    boss,
    stripe: createRememberingStripe(() => world.hoursPassed * hourMs),
    organizations: [await join(database.db, "cus_1"), await join(database.db, "cus_2")],
    held: [],
    hoursPassed: 0,
    latestAttempts: new Map(),
    close: async () => {
      await boss.stop({ graceful: false });
      await database.drop();
    },
  };
  return world;
}

async function join(db: Kysely<DB>, customer: string): Promise<Organization> {
  const id = await addOrganization(db, { customer });
  await registerSensors(db, id, [{ id: sensor }]);
  return { id, customer, posted: 0, gauge: null, gaugeAtMs: 0 };
}

/** Takes in readings, each of a moment of its own. */
export async function post({ database }: World, organization: Organization, count: number): Promise<void> {
  const from = organization.posted;
  const readings = Array.from({ length: count }, (_, n) => ({
    sensorId: sensor,
    recordedAt: new Date(Date.UTC(2026, 0, 1) + (from + n) * 1_000).toISOString(),
    temperature: 4.5,
  }));
  const client = await database.pool.connect();
  try {
    const stored = await storeReadings(client, organization.id, readings);
    organization.posted += stored.filter(({ status }) => status === "accepted").length;
  } finally {
    client.release();
  }
}

/** Measures the gauge, at least a millisecond after it was measured last: which value is the latest is never a tie. */
export async function measureGauge(
  { database: { db }, hoursPassed }: World,
  organization: Organization,
  value: number,
): Promise<void> {
  const passedMs = hoursPassed * hourMs;
  const atMs = Math.max(Date.now(), organization.gaugeAtMs - passedMs + 1);
  await appendEntries(db, organization.id, [
    { at: new Date(atMs), quantity: value, meter: "active_sensors" },
  ]);
  organization.gauge = value;
  organization.gaugeAtMs = atMs + passedMs;
}

/** One worker's turn: what it may take, it sends, and each attempt has its own answer and fate. */
export async function deliverSome(world: World, plan: Plan): Promise<{ jobs: number }> {
  const { db } = world.database;
  const breaker = createBreaker({ db, log: silentLog }, { leaseSeconds });
  const permit = await breaker.permitFor(plan.meter);
  if (permit.kind === "paused") return { jobs: 0 };
  const probedScope = permit.kind === "probe" ? permit.scope : undefined;
  const room = permit.kind === "probe" ? 1 : plan.room;
  const { jobs, taken } = await takeJobs({ ...world, db, log: silentLog }, plan.meter, {
    room,
    leaseSeconds,
  });
  for (const [index, one] of taken.entries()) {
    noteAttempt(world, one);
    const finished = await attempt(world, one, {
      mood: plan.moods[index % plan.moods.length] ?? "accept",
      fate: plan.fates[index % plan.fates.length] ?? "settles",
    });
    if (finished !== undefined) await breaker.observe(finished.verdict, { meter: plan.meter, probedScope });
  }
  return { jobs };
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

/** Lets hours pass, and pg-boss notice it. */
export async function letPass(world: World, hours: number): Promise<void> {
  await passHours(world.database.db, hours);
  world.hoursPassed += hours;
  for (const meter of meterNames) await world.boss.supervise(`deliver-${meter}`);
}
