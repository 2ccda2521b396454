import { checkpoint, type Site } from "../site/site.ts";
import { type Runner, startRunner } from "../site/runner.ts";
import type { SendReadingsTasks } from "../runners/send-readings.ts";
import { expectAllStored, type Fleet, planLoad } from "./fleet.ts";
import type { LoadPlan } from "./plan.ts";
import type { LoadOutcome } from "./send-load.ts";

type HttpLoad = {
  connections: number;
  readingsPerRequest: number;
  firstRequests: number;
  /** How long each round runs before it counts, so that it does not count what waking up costs. */
  runUpSeconds?: number;
};

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
  const { readingsPerRequest, connections, firstRequests, runUpSeconds = 0 } = load;
  let counted = firstRequests;
  let runUp = 0;
  return async () => {
    const plan = planLoad(server.fleet, { requests: runUp + counted, readingsPerRequest });
    const { seconds } = await sendPlan(gateway, { server, plan, connections, runUp });
    await afterRound?.(plan);
    const perSecond = counted / seconds;
    counted = Math.max(firstRequests, Math.round(perSecond * site.secondsPerRound));
    runUp = Math.round(perSecond * runUpSeconds);
    return perSecond * readingsPerRequest;
  };
}

export type Shipment = {
  server: HttpServer;
  plan: LoadPlan;
  connections: number;
  /** Makes it an open load: requests leave at this rate. */
  perSecond?: number;
  /** How many requests of a closed load are sent before time counts. */
  runUp?: number;
  /** Called when everything is made and the first request is about to leave. */
  onStart?: () => void | Promise<void>;
  /** Called when the last answer is there, before what was stored is counted. */
  onEnd?: () => Promise<void>;
};

/** Sends a plan and checks that all of it was taken. */
export async function sendPlan({ runner }: Gateway, shipment: Shipment): Promise<LoadOutcome> {
  const { server, plan, connections, perSecond, runUp = 0, onStart, onEnd } = shipment;
  await runner.ask("prepare", { plan, port: server.port });
  await checkpoint(server.fleet.url);
  await onStart?.();
  const outcome = await runner.ask(
    "send",
    perSecond === undefined
      ? { kind: "closed", connections, runUp }
      : { kind: "open", connections, perSecond },
  );
  await onEnd?.();
  const { 200: taken = 0 } = outcome.statuses;
  if (taken !== plan.requests) {
    const statuses = JSON.stringify(outcome.statuses);
    throw new Error(`${taken} of ${plan.requests} requests were answered 200: ${statuses}`);
  }
  if (server.table !== null) await expectAllStored(server.fleet.url, plan, server.table);
  return outcome;
}
