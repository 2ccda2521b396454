import { expect, test } from "vitest";
import { retryRejected } from "../../delivery/retry-rejected.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { findDifferences } from "./books.ts";
import { findOverbilled, reconcileDoubt, reportRefused } from "./evidence.ts";
import { deliverSome } from "./workers.ts";
import { letMinutesPass, letPass, openWorld, post } from "./world.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

const meter = "temperature_readings";

test(
  "usage that a lagging sum hides is not taken for absent",
  { timeout: patienceMs(120_000) },
  async ({ onTestFinished }) => {
    const world = await openWorld();
    onTestFinished(world.close);
    const { boss, database } = world;
    for (const organization of world.organizations) await post(world, organization, 3);
    await sealDueEntries({ db: database.db, boss }, { meters: [meter] });
    await letPass(world, 1);
    const plan = { meter, room: 10, fates: ["settles"] } as const;
    // Of two customers' usage Stripe refuses one, and names none: both are in doubt.
    await deliverSome(world, { ...plan, moods: ["accept", "accept_then_refuse"] });
    await reportRefused(world, 0);
    await letMinutesPass(world, 20);
    await reconcileDoubt(world, 58);
    await retryRejected({ db: database.db, boss }, {});
    await deliverSome(world, { ...plan, moods: ["accept"] });
    expect(findOverbilled(world)).toEqual([]);

    await letPass(world, 1);
    await reconcileDoubt(world, 58);
    await letPass(world, 1);
    await reconcileDoubt(world, 58);
    await retryRejected({ db: database.db, boss }, {});
    await deliverSome(world, { ...plan, moods: ["accept"] });
    expect(findOverbilled(world)).toEqual([]);
    expect(await findDifferences(world)).toEqual([]);
  },
);
