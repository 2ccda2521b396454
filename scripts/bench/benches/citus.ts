import { migrate } from "../../../src/migrate/migrate.ts";
import { silentLog } from "../../../src/log.ts";
import {
  findCitusOfMachine,
  startMachineCluster,
  startOneOfMachine,
} from "../../../src/testing/postgres/machine-cluster.ts";
import { createDatabase, nameTestServer, urlOfDatabase } from "../../../src/testing/net/test-server.ts";
import type { Comparison, Skipped } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { addFleet, type Fleet } from "../load/fleet.ts";
import { httpContestant, startGateway } from "../load/http-contestant.ts";
import type { Site } from "../site/site.ts";
import { compareSeal } from "./citus-seal.ts";
import { startApi } from "./our-servers.ts";

const bench = "citus";
const peer = "the same on one Postgres of the same version";
const fleetSize = { organizations: 100, sensors: 20 };
const loads = [
  {
    what: "POST of 500 readings, 8 connections",
    connections: 8,
    readingsPerRequest: 500,
    firstRequests: 100,
  },
  {
    what: "POST of one reading, 64 connections",
    connections: 64,
    readingsPerRequest: 1,
    firstRequests: 2_000,
  },
];
const intakeAtLeast = 0.75;

type Contestant = { url: string; port: number; fleet: Fleet };

/** Intake and the seal on a coordinator and two workers of this machine, against one Postgres from the same programs. */
export async function benchCitus(site: Site): Promise<(Comparison | Skipped)[]> {
  const binaries = await findCitusOfMachine();
  if (binaries === undefined) {
    return [
      { bench, what: "intake and seal", peer, skipped: "the machine's Postgres does not have the extension" },
    ];
  }
  const cluster = await startMachineCluster(binaries, { settings: "durable", workers: 2 });
  site.teardown.add(cluster.stop);
  const one = await startOneOfMachine(binaries, "durable");
  site.teardown.add(one.stop);
  const { coordinator, workers } = cluster;
  const ours = await prepare(site, await createOn(nameTestServer(coordinator.url, { coordinator, workers })));
  const theirs = await prepare(site, await createOn(nameTestServer(one.url)));
  const { organizations } = fleetSize;
  const sides = { ours: { url: ours.url, organizations }, theirs: { url: theirs.url, organizations } };
  // What intake leaves behind is sealed before the first round.
  return [
    ...(await compareIntake(site, { ours, theirs })),
    { bench, peer, ...(await compareSeal(site, sides)) },
  ];
}

async function createOn(server: ReturnType<typeof nameTestServer>): Promise<string> {
  const name = "bench";
  await createDatabase(server, name);
  const url = urlOfDatabase(server.url, name);
  await migrate({
    databaseUrl: url,
    backend: server.cluster === undefined ? "postgres" : "citus",
    log: silentLog,
  });
  return url;
}

async function prepare(site: Site, url: string): Promise<Contestant> {
  const { port } = await startApi(site, url);
  return { url, port, fleet: await addFleet(url, fleetSize) };
}

type Both = { ours: Contestant; theirs: Contestant };

async function compareIntake(site: Site, { ours, theirs }: Both): Promise<Comparison[]> {
  const gateway = startGateway(site);
  const comparisons: Comparison[] = [];
  for (const { what, ...load } of loads) {
    const run = ({ port, fleet }: Contestant) =>
      httpContestant(site, { gateway, load, server: { port, fleet, table: "metering.readings" } });
    const measured = await interleave(
      [
        { name: "ours", run: run(ours) },
        { name: "theirs", run: run(theirs) },
      ],
      site.rounds,
    );
    comparisons.push({
      bench,
      what,
      unit: "readings/s",
      ours: measured("ours"),
      peer,
      theirs: measured("theirs"),
      target: { ratio: "at least", value: intakeAtLeast },
    });
  }
  return comparisons;
}
