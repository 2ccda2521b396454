import { checkpoint, type Site } from "../site/site.ts";
import { type Runner, startRunner } from "../site/runner.ts";
import type { SendReadingsTasks } from "../runners/send-readings.ts";
import { expectAllStored, type Fleet, planLoad } from "./fleet.ts";
import type { LoadPlan } from "./plan.ts";
import type { LoadOutcome } from "./send-load.ts";

export type HttpLoad = { connections: number; readingsPerRequest: number; firstRequests: number };

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

/**
 * One contestant of a closed load: each round sends as many requests as the rounds before say fill the time, and
 * returns readings a second. Throws when one is not answered 200, or not stored.
 */
export function httpContestant(
  site: Site,
  { gateway, server, load }: { gateway: Gateway; server: HttpServer; load: HttpLoad },
): () => Promise<number> {
  let requests = load.firstRequests;
  return async () => {
    const { readingsPerRequest, connections } = load;
    const plan = planLoad(server.fleet, { requests, readingsPerRequest });
    const { seconds } = await sendPlan(gateway, { server, plan, connections });
    requests = Math.max(load.firstRequests, Math.round((requests / seconds) * site.secondsPerRound));
    return (plan.requests * readingsPerRequest) / seconds;
  };
}

/** Sends a plan and checks that all of it was taken. */
export async function sendPlan(
  { runner }: Gateway,
  {
    server,
    plan,
    connections,
    perSecond,
  }: { server: HttpServer; plan: LoadPlan; connections: number; perSecond?: number },
): Promise<LoadOutcome> {
  await runner.ask("prepare", { plan, port: server.port });
  await checkpoint(server.fleet.url);
  const shape =
    perSecond === undefined
      ? { kind: "closed" as const, connections }
      : { kind: "open" as const, connections, perSecond };
  const outcome = await runner.ask("send", shape);
  const { 200: taken = 0 } = outcome.statuses;
  if (taken !== plan.requests) {
    throw new Error(
      `${taken} of ${plan.requests} requests were answered 200: ${JSON.stringify(outcome.statuses)}`,
    );
  }
  if (server.table !== null) await expectAllStored(server.fleet.url, plan, server.table);
  return outcome;
}
