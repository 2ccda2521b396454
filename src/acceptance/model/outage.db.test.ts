import { sql } from "kysely";
import { expect, test } from "vitest";
import { sweepMeterEvents } from "../../delivery/sweep.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { meterNames } from "../../usage/meters.ts";
import { findDifferences } from "./books.ts";
import { reconcileDoubt } from "./evidence.ts";
import { countBy } from "./sealed-events.ts";
import { deliverSome, leaseSeconds } from "./workers.ts";
import { letPass, measureGauge, openWorld, post, type World } from "./world.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

const outageHours = 23;
const sealsPerHour = 3;

test(
  "an outage of 23 hours with half of the requests counted is resolved exactly, with no person",
  { timeout: patienceMs(120_000) },
  async ({ onTestFinished }) => {
    const world = await openWorld();
    onTestFinished(world.close);
    const { db } = world.database;
    for (let hour = 0; hour < outageHours; hour += 1) {
      for (let seal = 0; seal < sealsPerHour; seal += 1) await useAndSeal(world, hour + seal);
      await deliver(world, ["accept_then_500", "server_error"]);
      await letPass(world, 1);
      // One request for each event: half of them are counted.
      await sql`delete from pgboss.job`.execute(db);
    }
    await letPass(world, outageHours + 1);
    await sweepMeterEvents({ db, boss: world.boss }, { leaseSeconds });
    const before = await countBy(db, "state");
    expect(before["pending"] ?? 0).toBe(0);
    // Older gauge values were overtaken on the way.
    expect(before["in_doubt"]).toBeGreaterThan(2 * outageHours * sealsPerHour - 1);
    expect(world.stripe.counts.length).toBeGreaterThan(outageHours);

    await reconcileDoubt(world, 58);
    await letPass(world, 1);
    await reconcileDoubt(world, 58);

    // Two customers, of whom each meter is read twice; of a gauge only the last value, at one look or two.
    expect(world.sumReads).toBeLessThanOrEqual(2 * 2 * 2);
    expect((await countBy(db, "state"))["in_doubt"] ?? 0).toBe(0);
    await deliver(world, ["accept"]);
    expect(await findDifferences(world)).toEqual([]);
  },
);

async function useAndSeal(world: World, gauge: number): Promise<void> {
  const { db } = world.database;
  for (const [index, organization] of world.organizations.entries()) {
    await post(world, organization, 1 + ((gauge + index) % 5));
    await measureGauge(world, organization, gauge);
  }
  await sealDueEntries({ db, boss: world.boss }, { meters: meterNames });
}

/** Each event that has a job is attempted, whatever the circuit breaker says of an outage. */
async function deliver(world: World, moods: Parameters<typeof deliverSome>[1]["moods"]): Promise<void> {
  const { db } = world.database;
  for (const meter of meterNames) {
    for (let jobs = 1; jobs > 0;) {
      await sql`update metering.delivery_control set paused_until = null, openings = 0`.execute(db);
      ({ jobs } = await deliverSome(world, { meter, room: 100, moods, fates: ["settles"] }));
    }
  }
}
