import type { Comparison, Skipped } from "../comparison.ts";
import { addDueEntries } from "../load/due-entries.ts";
import { addDueEvents, openTables, type Tables } from "../load/due-events.ts";
import { addFleet } from "../load/fleet.ts";
import { canReadPeakMemory, readPeakMemoryMib } from "../site/memory.ts";
import { createOurDatabase, type Site } from "../site/site.ts";
import { startStripeStandIn } from "../site/stripe-stand-in.ts";
import { untilTrue } from "../site/until-true.ts";
import { startWorker } from "./our-servers.ts";

const bench = "memory";
const organizations = 1_000;
const unsealedEntries = 1_000_000;
const undeliveredEvents = 200_000;
const limitMib = 256;
const withinSeconds = 1_800;
const peer = "the limit";

const backlogs = [
  {
    what: `a worker's peak RSS, working off ${unsealedEntries.toLocaleString("en-US")} unsealed entries`,
    add: async ({ url }: Tables) => {
      await addDueEntries(url, unsealedEntries / organizations);
    },
  },
  {
    what: `a worker's peak RSS, working off ${undeliveredEvents.toLocaleString("en-US")} undelivered events`,
    add: (tables: Tables) => addDueEvents(tables, undeliveredEvents),
  },
];

/** The most memory that a worker needs for a large backlog, from its start until all is delivered; once each. */
export async function benchMemory(site: Site): Promise<(Comparison | Skipped)[]> {
  if (!canReadPeakMemory) {
    const skipped = "this system does not tell a process's peak";
    return backlogs.map(({ what }) => ({ bench, what, peer, skipped }));
  }
  const stripe = await startStripeStandIn(site);
  const results: Comparison[] = [];
  for (const [index, { what, add }] of backlogs.entries()) {
    const url = await createOurDatabase(site, `memory_${index}`);
    await addFleet(url, { organizations, sensors: 1 });
    await add(await openTables(site, url));
    const worker = await startWorker(site, {
      databaseUrl: url,
      stripeUrl: stripe.url,
      sealIntervalSeconds: 1,
    });
    await untilTrue(site, {
      url,
      text: `select not exists (select from metering.meter_outbox where meter_event_id is null)
        and not exists (select from metering.meter_events where state = 'pending')`,
      what: "the backlog to be worked off",
      withinSeconds,
    });
    const peakMib = await readPeakMemoryMib(worker.pid);
    await worker.stop();
    const target = { ratio: "at most" as const, value: 1 };
    results.push({ bench, what, unit: "MiB", ours: [peakMib], peer, theirs: [limitMib], target });
  }
  return results;
}
