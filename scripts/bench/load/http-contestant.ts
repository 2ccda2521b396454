import { checkpoint, type Site } from "../site/site.ts";
import { type Runner, startRunner } from "../site/runner.ts";
import type { SendReadingsTasks } from "../runners/send-readings.ts";
import { expectAllStored, type Fleet, planLoad } from "./fleet.ts";
import type { LoadPlan } from "./plan.ts";
import type { LoadOutcome } from "./send-load.ts";

type HttpLoad = { connections: number; readingsPerRequest: number; firstRequests: number };

export type HttpServer = {
  port: number;
  fleet: Fleet;
  /** Where its readings are to be found afterwards; null: it stores none. */
  table: string | null;
};

/** A process that sends readings to the servers of a bench, one after the other. */
export type Gateway = { runner: Runner<SendReadingsTasks> };

/** Starts the process that sends. */
export function startGateway(site: Site): Gateway {
  return { runner: startRunner<SendReadingsTasks>(site, "send-readings") };
}

export type HttpContestant = {
  gateway: Gateway;
  server: HttpServer;
  load: HttpLoad;
  /** Counts the rows that a round left behind. */
  afterRound?: (plan: LoadPlan) => Promise<void>;
};

/**
 * One contestant of a closed load: each round sends as many requests as the rounds before say fill the time, and
 * returns readings a second. Throws when one is not answered 200, or not stored.
 */
export function httpContestant(
  site: Site,
  { gateway, server, load, afterRound }: HttpContestant,
): () => Promise<number> {
  let requests = load.firstRequests;
  return async () => {
    const { readingsPerRequest, connections } = load;
    const plan = planLoad(server.fleet, { requests, readingsPerRequest });
    const { seconds } = await sendPlan(gateway, { server, plan, connections });
    await afterRound?.(plan);
    requests = Math.max(load.firstRequests, Math.round((requests / seconds) * site.secondsPerRound));
    return (plan.requests * readingsPerRequest) / seconds;
  };
}

export type Shipment = {
  server: HttpServer;
  plan: LoadPlan;
  connections: number;
  /** Makes it an open load: requests leave at this rate. */
  perSecond?: number;
  /** Called when everything is made and the first request is about to leave. */
  onStart?: () => void;
};

/** Sends a plan and checks that all of it was taken. */
export async function sendPlan({ runner }: Gateway, shipment: Shipment): Promise<LoadOutcome> {
  const { server, plan, connections, perSecond, onStart } = shipment;
  await runner.ask("prepare", { plan, port: server.port });
  await checkpoint(server.fleet.url);
  onStart?.();
  const outcome = await runner.ask(
    "send",
    perSecond === undefined ? { kind: "closed", connections } : { kind: "open", connections, perSecond },
  );
  const { 200: taken = 0 } = outcome.statuses;
  if (taken !== plan.requests) {
    const statuses = JSON.stringify(outcome.statuses);
    throw new Error(`${taken} of ${plan.requests} requests were answered 200: ${statuses}`);
  }
  if (server.table !== null) await expectAllStored(server.fleet.url, plan, server.table);
  return outcome;
}
