import type { PgBoss } from "pg-boss";
import type { Db } from "../../database/db.ts";
import type { FinishedAttempt } from "../../delivery/settle.ts";
import { registerSensors } from "../../intake/sensors.ts";
import { silentLog } from "../../log.ts";
import { createBoss } from "../../queue/boss.ts";
import { deliverQueueOf, shipmentQueueOf } from "../../queue/queues.ts";
import { meterNames } from "../../usage/meters.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hourMs } from "../../testing/rows/hours.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";
import { commitHere } from "../../testing/rows/commit-here.ts";
import { createTestDatabase, type TestDatabase } from "../../testing/postgres/test-database.ts";
import { passHours, passSeconds } from "./pass-time.ts";
import { createRememberingStripe, type RememberingStripe } from "./remembering-stripe.ts";

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
  /** Beside the hours: minutes for which the usage has kept its time. */
  minutesPassed: number;
  /** Requests for Stripe's sums. */
  sumReads: number;
  /** The number of the latest attempt at each event. */
  latestAttempts: Map<string, number>;
  close: () => Promise<void>;
};

const sensor = "sensor-1";
const minuteMs = 60_000;

/** Opens a world on a database of its own; `close` ends both. */
export async function openWorld(): Promise<World> {
  const database = await createTestDatabase({ applicationName: "model test" });
  const boss = createBoss({ databaseUrl: database.url, role: "worker", connectionsMax: 2 }, silentLog);
  await boss.start();
  const world: World = {
    database,
    boss,
    stripe: createRememberingStripe({
      passedMs: () => world.hoursPassed * hourMs,
      waitedMs: () => world.minutesPassed * minuteMs,
    }),
    organizations: [await join(database.db, "cus_1"), await join(database.db, "cus_2")],
    held: [],
    hoursPassed: 0,
    minutesPassed: 0,
    sumReads: 0,
    latestAttempts: new Map(),
    close: async () => {
      await boss.stop({ graceful: false });
      await database.drop();
    },
  };
  return world;
}

async function join(db: Db, customer: string): Promise<Organization> {
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
  const [stored = []] = await commitHere(database.pool, [{ organizationId: organization.id, readings }]);
  organization.posted += stored.filter(({ status }) => status === "accepted").length;
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

/** Lets hours pass, and pg-boss notice it. */
export async function letPass(world: World, hours: number): Promise<void> {
  await passHours(world.database.db, hours);
  world.hoursPassed += hours;
  await endLeases(world);
}

/** Lets less than an hour pass for attempts and looks, so that a sum which lags does not tell of them yet. */
export async function letMinutesPass(world: World, minutes: number): Promise<void> {
  await passSeconds(world.database.db, minutes * 60);
  world.minutesPassed += minutes;
  await endLeases(world);
}

/** pg-boss notices jobs whose worker has kept them for too long. */
async function endLeases({ boss }: World): Promise<void> {
  for (const meter of meterNames) {
    await boss.supervise(deliverQueueOf(meter));
    await boss.supervise(shipmentQueueOf(meter));
  }
}
