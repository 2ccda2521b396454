import type { Comparison, Target } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { openTables } from "../load/due-events.ts";
import { httpContestant, startGateway } from "../load/http-contestant.ts";
import { fillDatabase, forgetRounds, readingsPerHour, type Stored } from "../load/stored-readings.ts";
import { usageContestant } from "../load/usage-queries.ts";
import type { SealEntriesTasks } from "../runners/seal-entries.ts";
import { startRunner } from "../site/runner.ts";
import { createOurDatabase, type Site } from "../site/site.ts";
import { startStripeStandIn } from "../site/stripe-stand-in.ts";
import { deliverContestant } from "./deliver.ts";
import { batchLoad } from "./intake-batch.ts";
import { startApi, startWorker } from "./our-servers.ts";
import { sealContestant } from "./seal.ts";

type Store = { millions: number; url: string; port: number; stored: Stored };

/** The parts that are measured on every database alike. */
type Part = {
  what: string;
  unit: string;
  /** Of the largest database against the first. */
  target?: Target;
  contestant: (store: Store) => Promise<() => Promise<number>>;
};

const hourMs = 3_600_000;
const recentHours = 96;
const flat: Target = { ratio: "at least", value: 0.9 };

/** The same work with more and more readings stored. One part after the other, each on all databases in turns. */
export async function benchGrowth(site: Site): Promise<Comparison[]> {
  const stores: Store[] = [];
  for (const millions of site.millions) {
    const url = await createOurDatabase(site, `growth_${millions}`);
    const stored = await fillDatabase(site, url, millions);
    stores.push({ millions, url, stored, port: (await startApi(site, url)).port });
  }
  const comparisons: Comparison[] = [];
  for (const part of await partsOf(site, stores)) comparisons.push(...(await compare(site, stores, part)));
  return comparisons;
}

async function compare(
  site: Site,
  stores: readonly Store[],
  { what, unit, target, contestant }: Part,
): Promise<Comparison[]> {
  const contestants = [];
  for (const store of stores) {
    contestants.push({ name: String(store.millions), run: await contestant(store) });
  }
  const measured = await interleave(contestants, site.rounds);
  const [first, ...others] = site.millions;
  return others.map((millions, index) => ({
    bench: "growth",
    what: `${what}, ${millions} million readings stored`,
    unit,
    ours: measured(String(millions)),
    peer: `with ${first} million`,
    theirs: measured(String(first)),
    ...(target !== undefined && index === others.length - 1 && { target }),
  }));
}

/** Workers start with their part and intake comes before them: entries that it leaves unsealed are deleted by then. */
async function partsOf(site: Site, stores: readonly Store[]): Promise<Part[]> {
  const gateway = startGateway(site);
  const stripe = await startStripeStandIn(site);
  const hoursMax = Math.max(...stores.map(({ stored }) => hoursOf(stored)));
  const usage = (granularity: "hour" | "day", hours: number) => async (store: Store) => {
    const { fleet, until } = store.stored;
    const from = new Date(until.getTime() - hours * hourMs);
    const readings = Math.min(hours, hoursOf(store.stored)) * readingsPerHour;
    return usageContestant(site, { port: store.port, fleet }, { granularity, from, to: until, readings });
  };
  return [
    {
      what: `POST of ${batchLoad.readingsPerRequest} readings`,
      unit: "readings/s",
      target: flat,
      contestant: async ({ port, stored: { fleet } }) => {
        const server = { port, fleet, table: "metering.readings" };
        return httpContestant(site, { gateway, server, load: batchLoad });
      },
    },
    {
      what: `usage of ${recentHours / 24} days by hour`,
      unit: "answers/s",
      contestant: usage("hour", recentHours),
    },
    {
      what: `usage of ${Math.ceil(hoursMax / 24)} days by day`,
      unit: "answers/s",
      contestant: usage("day", hoursMax),
    },
    {
      what: "entries sealed",
      unit: "entries/s",
      target: flat,
      contestant: async ({ url, stored }) => {
        const runner = startRunner<SealEntriesTasks>(site, "seal-entries");
        await runner.ask("connect", { url });
        const table = {
          url,
          organizations: stored.fleet.senders.length,
          empty: () => forgetRounds(url, stored),
        };
        return sealContestant(site, table, () => runner.ask("seal", undefined));
      },
    },
    {
      what: "meter events delivered",
      unit: "meter events/s",
      target: flat,
      contestant: async ({ url, stored }) => {
        await forgetRounds(url, stored);
        const tables = await openTables(site, url);
        await startWorker(site, { databaseUrl: url, stripeUrl: stripe.url });
        return deliverContestant(site, stripe, { tables, empty: () => forgetRounds(url, stored) });
      },
    },
  ];
}

function hoursOf({ from, until }: Stored): number {
  return (until.getTime() - from.getTime()) / hourMs;
}
