import fc from "fast-check";
import { sql } from "kysely";
import { pauseDelivery, readPauses, resumeDelivery } from "../../delivery/pauses.ts";
import { retryRejected } from "../../delivery/retry-rejected.ts";
import { sweepMeterEvents } from "../../delivery/sweep.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { meterNames } from "../../usage/meters.ts";
import { findOverbilled, reconcileDoubt, reportRefused } from "./evidence.ts";
import { createStateWatch, type StateWatch } from "./state-watch.ts";
import { moods } from "./remembering-stripe.ts";
import { deliverSome, fates, leaseSeconds, settleHeld } from "./workers.ts";
import { letMinutesPass, letPass, measureGauge, openWorld, post, type World } from "./world.ts";

/** A run's parts: the world, and the watch over its meter events' states. */
export type Run = { world: World; watch: StateWatch };

export async function startRun(): Promise<Run> {
  const world = await openWorld();
  return { world, watch: createStateWatch(world.database.db) };
}

const hoursToDrainMax = 40;

type Command = fc.AsyncCommand<object, Run>;

/** A command is named so that a failing run reads as a story. It is always possible. */
function command(name: string, work: (world: World) => Promise<unknown>): Command {
  return {
    check: () => true,
    run: async (_, { world, watch }) => {
      await work(world);
      await watch.look();
      const overbilled = findOverbilled(world);
      if (overbilled.length > 0) throw new Error(overbilled.join("; "));
    },
    toString: () => name,
  };
}

const organization = fc.constantFrom(0 as const, 1 as const);
const plan = fc.record({
  meter: fc.constantFrom(...meterNames),
  room: fc.integer({ min: 1, max: 6 }),
  moods: fc.array(
    fc.oneof({ weight: 2, arbitrary: fc.constant("accept" as const) }, fc.constantFrom(...moods)),
    {
      minLength: 1,
      maxLength: 4,
    },
  ),
  fates: fc.array(
    fc.oneof({ weight: 3, arbitrary: fc.constant("settles" as const) }, fc.constantFrom(...fates)),
    { minLength: 1, maxLength: 4 },
  ),
});

/** Everything that can happen to the service, in any order. */
export const anyCommands = fc.commands(
  [
    fc
      .tuple(organization, fc.integer({ min: 1, max: 5 }))
      .map(([of, count]) =>
        command(`post(${of}, ${count})`, (world) => post(world, world.organizations[of], count)),
      ),
    fc
      .tuple(organization, fc.integer({ min: 0, max: 9 }))
      .map(([of, value]) =>
        command(`gauge(${of}, ${value})`, (world) => measureGauge(world, world.organizations[of], value)),
      ),
    fc.constant(command("seal", sealOpen)),
    plan.map((one) => command(`deliver(${JSON.stringify(one)})`, (world) => deliverSome(world, one))),
    plan.map((one) => command(`deliver(${JSON.stringify(one)})`, (world) => deliverSome(world, one))),
    fc
      .constantFrom(1, 1, 1, 11, 22, 24, 24 * 17)
      .map((hours) => command(`pass(${hours} h)`, (world) => letPass(world, hours))),
    fc.constant(command("pass(20 min)", (world) => letMinutesPass(world, 20))),
    fc.constant(command("pass(20 min)", (world) => letMinutesPass(world, 20))),
    fc.constant(command("sweep", sweep)),
    fc.constant(command("wake", settleHeld)),
    fc.constant(command("prune", ({ database }) => sql`delete from pgboss.job`.execute(database.db))),
    fc.constant(command("pause", ({ database }) => pauseDelivery(database.db, "by hand"))),
    fc.constant(command("resume", resume)),
    fc.constant(command("retry", retry)),
    fc
      .integer({ min: 0, max: 3 })
      .map((samples) => command(`report(${samples} named)`, (world) => reportRefused(world, samples))),
    fc
      .constantFrom(0, 10, 58)
      .map((lag) => command(`reconcile(sums lag ${lag} min)`, (world) => reconcileDoubt(world, lag))),
    fc
      .constantFrom(0, 10, 58)
      .map((lag) => command(`reconcile(sums lag ${lag} min)`, (world) => reconcileDoubt(world, lag))),
  ],
  { maxCommands: 40, size: "max" },
);

/** A paused meter's entries wait, as in the worker. */
async function sealOpen({ database: { db }, boss }: World): Promise<void> {
  const paused = new Set((await readPauses(db)).map(({ scope }) => scope));
  const meters = paused.has("account") ? [] : meterNames.filter((meter) => !paused.has(meter));
  await sealDueEntries({ db, boss }, { meters, eventsPerShipmentMin: 2 });
}

async function sweep({ database: { db }, boss }: World): Promise<void> {
  await sweepMeterEvents({ db, boss }, { leaseSeconds });
}

async function retry({ database: { db }, boss }: World): Promise<void> {
  await retryRejected({ db, boss }, {});
}

/** Ends all faults and lets the service do its work until nothing moves any more. */
export async function drain({ world, watch }: Run): Promise<void> {
  for (let hour = 0; hour < hoursToDrainMax; hour += 1) {
    for (const work of [
      settleHeld,
      resume,
      letAnHourPass,
      reportAll,
      resolveAll,
      retry,
      sweep,
      sealOpen,
      deliverAll,
    ]) {
      await work(world);
      await watch.look();
    }
    if (await isDone(world)) return;
  }
  throw new Error("the service does not come to an end with its work");
}

async function reportAll(world: World): Promise<void> {
  await reportRefused(world, 1);
}

async function resolveAll(world: World): Promise<void> {
  await reconcileDoubt(world, 30);
}

async function resume({ database: { db } }: World): Promise<void> {
  await resumeDelivery(db);
}

/** Past every lease and every delay between attempts. */
async function letAnHourPass(world: World): Promise<void> {
  await letPass(world, 1);
}

async function deliverAll(world: World): Promise<void> {
  for (const meter of meterNames) {
    const all = { meter, room: 100, moods: ["accept"], fates: ["settles"] } as const;
    let jobs: number;
    do {
      ({ jobs } = await deliverSome(world, all));
    } while (jobs > 0);
  }
}

async function isDone({ database: { db } }: World): Promise<boolean> {
  const left = await sql<{ count: number }>`
    select (
      (select count(*) from metering.meter_outbox where meter_event_id is null)
      + (select count(*) from metering.meter_events where state in ('pending', 'rejected', 'in_doubt'))
      + (select count(*) from metering.meter_events where state = 'delivered' and reconcile_since is not null)
    )::int as count
  `.execute(db);
  return left.rows[0]?.count === 0;
}
