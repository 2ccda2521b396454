import type { Comparison, Target } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { sweepMeterEvents } from "../../../src/delivery/sweep.ts";
import { addUpStored } from "../load/add-up.ts";
import { askingContestant } from "../load/asking-contestant.ts";
import { openTables, type Tables } from "../load/due-events.ts";
import { httpContestant, startGateway } from "../load/http-contestant.ts";
import {
  fillDatabase,
  forgetRounds,
  hoursPerMillion,
  readingsPerHour,
  type Stored,
} from "../load/stored-readings.ts";
import { usageContestant } from "../load/usage-queries.ts";
import type { SealEntriesTasks } from "../runners/seal-entries.ts";
import { startRunner } from "../site/runner.ts";
import { seededDatabase } from "../site/seeded-database.ts";
import { ask, type Site } from "../site/site.ts";
import { startStripeStandIn } from "../site/stripe-stand-in.ts";
import { quantileOf } from "../statistics.ts";
import { wantedForms } from "../wanted-forms.ts";
import { deliverContestant } from "./deliver.ts";
import { batchLoad } from "./intake-batch.ts";
import { startApi, startWorker } from "./our-servers.ts";
import { sealContestant } from "./seal.ts";

type Store = { millions: number; url: string; api: Awaited<ReturnType<typeof startApi>>; stored: Stored };

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
const leaseSeconds = 45;
const flat: Target = { ratio: "at least", value: 0.95 };

/** The same work with more and more readings stored. One part after the other, each on all databases in turns. */
export async function benchGrowth(site: Site): Promise<Comparison[]> {
  // Before the databases are filled, which takes minutes.
  const parts = wantedForms(await partsOf(site), site.form, ({ what }) => what);
  const stores = await openStores(site);
  const comparisons: Comparison[] = [];
  for (const part of parts) {
    const compared = await compare(site, stores, part);
    compared.forEach(report);
    comparisons.push(...compared);
  }
  return comparisons;
}

async function openStores(site: Site): Promise<Store[]> {
  const stores: Store[] = [];
  for (const millions of site.millions) {
    const { url, seed } = await seededDatabase(site, `growth_${millions}`, async (empty) => {
      const filled = await fillDatabase(site, empty, millions);
      await addUpStored(empty);
      return filled;
    });
    const stored = { ...seed, fleet: { ...seed.fleet, url } };
    stores.push({ millions, url, stored, api: await startApi(site, url) });
  }
  return stores;
}

/** Told at once, so that a run that is ended early has told something. */
function report({ what, unit, ours, theirs }: Comparison): void {
  const [now, before] = [quantileOf(ours, 0.5), quantileOf(theirs, 0.5)];
  console.error(`${what}: ${now.toFixed(1)} ${unit}, ${(now / before).toFixed(2)} of ${before.toFixed(1)}`);
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

/**
 * Workers start with their part and intake comes before them: entries that it leaves unsealed are deleted by then. The
 * readings of a meter event come first, as intake leaves up to 100,000 readings that each such question reads whole.
 */
async function partsOf(site: Site): Promise<Part[]> {
  const gateway = startGateway(site);
  const stripe = await startStripeStandIn(site);
  const hoursMax = Math.max(...site.millions) * hoursPerMillion;
  const usage = (granularity: "hour" | "day", hours: number) => async (store: Store) => {
    const { fleet, until } = store.stored;
    const from = new Date(until.getTime() - hours * hourMs);
    const readings = Math.min(hours, hoursOf(store.stored)) * readingsPerHour;
    return usageContestant(site, { port: store.api.port, fleet }, { granularity, from, to: until, readings });
  };
  return [
    {
      what: "readings that a meter event bills",
      unit: "answers/s",
      target: flat,
      contestant: async ({ url, api, stored }) =>
        askingContestant(site, { ...api, token: api.adminToken, paths: await explained(url, stored) }),
    },
    {
      what: `POST of ${batchLoad.readingsPerRequest} readings`,
      unit: "readings/s",
      target: flat,
      contestant: async ({ api, stored: { fleet } }) => {
        const server = { port: api.port, fleet, table: "metering.readings" };
        return httpContestant(site, { gateway, server, load: batchLoad });
      },
    },
    {
      what: `usage of ${recentHours / 24} days by hour`,
      unit: "answers/s",
      target: flat,
      contestant: usage("hour", recentHours),
    },
    {
      what: "lists of meter events and organizations, and the outbox",
      unit: "answers/s",
      target: flat,
      contestant: async ({ api, stored: { fleet } }) => {
        const paths = fleet.senders.flatMap(({ organizationId }) => [
          "/v1/meter-events?limit=100",
          `/v1/meter-events?organization_id=${organizationId}&limit=100`,
          "/v1/organizations?limit=100",
          "/v1/outbox",
        ]);
        return askingContestant(site, { ...api, token: api.adminToken, paths });
      },
    },
    {
      what: "list of a sensor's readings",
      unit: "answers/s",
      target: flat,
      contestant: async ({ api, stored: { fleet } }) => {
        // A million holds a hundred readings of each sensor. With as many asked, its page alone would be the last one.
        const paths = Array.from({ length: 100 }, (_, n) => `/v1/readings?sensor_id=freezer-${n}&limit=50`);
        return askingContestant(site, { ...api, token: fleet.senders[0]?.key ?? "", paths });
      },
    },
    {
      what: "sweeps for what is due",
      unit: "sweeps/s",
      target: flat,
      contestant: async ({ url }) => sweepContestant(site, await openTables(site, url)),
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

/** Of meter events all over the time that is stored. */
async function explained(url: string, stored: Stored): Promise<string[]> {
  const events = await ask<{ id: string }>(
    url,
    // uuid_v7 is volatile: in the condition itself it would be called for each event, and no index could be asked.
    `with place as materialized (
       select metering.uuid_v7($1::timestamptz + n * ($2::timestamptz - $1::timestamptz) / 201) as id
       from generate_series(1, 200) n
     )
     select m.id
     from place
     cross join lateral (
       select id from metering.meter_events where id >= place.id order by id limit 1
     ) m`,
    [stored.from, stored.until],
  );
  return events.map(({ id }) => `/v1/meter-events/${id}/readings?limit=100`);
}

/** One contestant: looks for meter events whose reminders are lost, when there are none. Returns sweeps a second. */
function sweepContestant(site: Site, { db, boss }: Tables): () => Promise<number> {
  return async () => {
    const startedAtMs = performance.now();
    const seconds = () => (performance.now() - startedAtMs) / 1_000;
    let sweeps = 0;
    for (; seconds() < site.secondsPerRound; sweeps += 1) {
      await sweepMeterEvents({ db, boss }, { leaseSeconds });
    }
    return sweeps / seconds();
  };
}

function hoursOf({ from, until }: Stored): number {
  return (until.getTime() - from.getTime()) / hourMs;
}
