import { openTables, type Tables } from "../load/due-events.ts";
import { countStatements } from "../load/event-costs.ts";
import { addFleet } from "../load/fleet.ts";
import type { SendMeterEventsTasks } from "../runners/send-meter-events.ts";
import { type Runner, startRunner } from "../site/runner.ts";
import { createOurDatabase, type Site } from "../site/site.ts";
import { startStripeStandIn, type StripeStandIn } from "../site/stripe-stand-in.ts";
import { startWorker, type WorkerOptions } from "./our-servers.ts";

type Drain = {
  tables: Tables;
  stripe: StripeStandIn;
  worker: Awaited<ReturnType<typeof startWorker>>;
  bare: Runner<SendMeterEventsTasks>;
};

/** A database whose statements are counted, a worker that seals nothing meanwhile, and the Stripe package alone beside it. */
export async function openDrain(
  site: Site,
  {
    name,
    customers,
    ...ofWorker
  }: { name: string; customers: number } & Pick<WorkerOptions, "transport" | "eventsPerSecondMax">,
): Promise<Drain> {
  const url = await createOurDatabase(site, name);
  await countStatements(url);
  await addFleet(url, { organizations: customers, sensors: 1 });
  const tables = await openTables(site, url);
  const stripe = await startStripeStandIn(site);
  const worker = await startWorker(site, {
    databaseUrl: url,
    stripeUrl: stripe.url,
    sealIntervalSeconds: 600,
    ...ofWorker,
  });
  return { tables, stripe, worker, bare: startRunner<SendMeterEventsTasks>(site, "send-meter-events") };
}
