import { migrate } from "../../../src/migrate/migrate.ts";
import { silentLog } from "../../../src/log.ts";
import {
  findCitusOfMachine,
  startMachineCluster,
  startOneOfMachine,
} from "../../../src/testing/postgres/machine-cluster.ts";
import { createDatabase, nameTestServer, urlOfDatabase } from "../../../src/testing/net/test-server.ts";
import type { Comparison, Skipped } from "../comparison.ts";
import { addFleet } from "../load/fleet.ts";
import type { Site } from "../site/site.ts";
import { compareIntake, type IntakeSide } from "./citus-intake.ts";
import { compareSeal } from "./citus-seal.ts";
import { startApi } from "./our-servers.ts";

const bench = "citus";
const peer = "the same on one Postgres of the same version";
const fleetSize = { organizations: 100, sensors: 20 };

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
  const urls = {
    ours: await createOn(nameTestServer(coordinator.url, { coordinator, workers })),
    theirs: await createOn(nameTestServer(one.url)),
  };
  const intake = await compareIntake(site, {
    ours: await openIntake(site, { url: urls.ours, servers: [coordinator, ...workers] }),
    theirs: await openIntake(site, { url: urls.theirs, servers: [one] }),
  });
  const { organizations } = fleetSize;
  // What intake leaves behind is sealed before the first round.
  const seal = await compareSeal(site, {
    ours: { url: urls.ours, organizations },
    theirs: { url: urls.theirs, organizations },
  });
  return [...intake, seal].map((comparison) => ({ bench, peer, ...comparison }));
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

type Opened = { url: string; servers: { pid: number }[] };

async function openIntake(site: Site, { url, servers }: Opened): Promise<IntakeSide> {
  const { port, pid } = await startApi(site, url);
  const fleet = await addFleet(url, fleetSize);
  return { port, apiPid: pid, fleet, postgresPids: servers.map((server) => server.pid) };
}
