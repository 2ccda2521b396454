import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { addFleet } from "../load/fleet.ts";
import { type HttpServer, httpContestant, startGateway } from "../load/http-contestant.ts";
import { startServerProcess } from "../site/server-process.ts";
import { createOurDatabase, type Site } from "../site/site.ts";
import { startApi } from "./our-servers.ts";

/** One reading a request, from many gateways at once. */
export const singleLoad = { connections: 64, readingsPerRequest: 1, firstRequests: 2_000, runUpSeconds: 0.5 };
/** V8 compiles what runs often again and again, better each time, for seconds. */
export const singleWarmUpRounds = 3;
export const singleFleet = { organizations: 100, sensors: 100 };

/**
 * Requests of one reading, from one process and to one server at a time, in turns:
 * - ours, the API as it is built;
 * - a Hono route behind the same server, with the same bounds of memory, which parses, validates and answers by the same
 *   functions: no key, no log, no metrics, no database;
 * - ourselves without group commit.
 */
export async function benchIntakeSingle(site: Site): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "intake_single");
  const gateway = startGateway(site);
  const contestant = (server: HttpServer) => httpContestant(site, { gateway, server, load: singleLoad });
  const fleet = await addFleet(url, singleFleet);
  const table = "metering.readings";
  const ours = { port: (await startApi(site, url)).port, fleet, table };
  const empty = { port: await startPeer(site, "empty-post", {}), fleet: { ...fleet }, table: null };
  const direct = {
    port: await startPeer(site, "direct-intake", { DATABASE_URL: url }),
    fleet: await addFleet(url, singleFleet),
    table,
  };
  const measured = await interleave(
    [
      { name: "ours", run: contestant(ours) },
      { name: "empty", run: contestant(empty) },
      { name: "direct", run: contestant(direct) },
    ],
    site.rounds,
    { warmUpRounds: singleWarmUpRounds },
  );
  const common = {
    bench: "intake-single" as const,
    what: `POST of one reading, ${singleLoad.connections} connections`,
    unit: "requests/s",
    ours: measured("ours"),
  };
  return [
    {
      ...common,
      peer: "an empty Hono POST that parses and validates",
      theirs: measured("empty"),
      target: { ratio: "at least", value: 0.4 },
    },
    {
      ...common,
      peer: "the same API, a transaction per request",
      theirs: measured("direct"),
      target: { ratio: "at least", value: 3 },
    },
  ];
}

/** Starts a script of `scripts/bench/peers/`. Returns its port. */
export async function startPeer(site: Site, name: string, env: Record<string, string>): Promise<number> {
  const server = await startServerProcess(site, {
    script: `scripts/bench/peers/${name}.ts`,
    env: (port) => ({ ...env, PORT: String(port) }),
  });
  return server.port;
}
