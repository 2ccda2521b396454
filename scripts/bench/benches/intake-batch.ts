import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { addFleet, expectAllStored, planLoad } from "../load/fleet.ts";
import { httpContestant, startGateway } from "../load/http-contestant.ts";
import type { StoreReadingsTasks } from "../runners/store-readings.ts";
import { startRunner } from "../site/runner.ts";
import { checkpoint, createOurDatabase, type Site } from "../site/site.ts";
import { startApi } from "./our-servers.ts";

/** As a gateway sends what it has collected. */
export const batchLoad = { connections: 8, readingsPerRequest: 500, firstRequests: 200 };
const { connections, readingsPerRequest, firstRequests } = batchLoad;
const fleetSize = { organizations: 20, sensors: 100 };

/** Requests of 500 readings, against the statement that stores them, alone. Both write to the same tables. */
export async function benchIntakeBatch(site: Site): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "intake_batch");
  const api = await startApi(site, url);
  const server = { port: api.port, fleet: await addFleet(url, fleetSize), table: "metering.readings" };
  const ours = httpContestant(site, {
    gateway: startGateway(site),
    server,
    load: batchLoad,
  });
  const measured = await interleave(
    [
      { name: "ours", run: ours },
      { name: "bare", run: await bareStatement(site, url) },
    ],
    site.rounds,
  );
  return [
    {
      bench: "intake-batch",
      what: `POST of ${readingsPerRequest} readings, ${connections} connections`,
      unit: "readings/s",
      ours: measured("ours"),
      peer: "the bare statement through pg",
      theirs: measured("bare"),
      target: { ratio: "at least", value: 0.85 },
    },
  ];
}

async function bareStatement(site: Site, url: string): Promise<() => Promise<number>> {
  const fleet = await addFleet(url, fleetSize);
  const runner = startRunner<StoreReadingsTasks>(site, "store-readings");
  await runner.ask("connect", { url, connections });
  let requests = firstRequests;
  return async () => {
    const plan = planLoad(fleet, { requests, readingsPerRequest });
    await runner.ask("prepare", plan);
    await checkpoint(url);
    const seconds = await runner.ask("run", undefined);
    await expectAllStored(url, plan);
    requests = Math.max(firstRequests, Math.round((requests / seconds) * site.secondsPerRound));
    return (plan.requests * readingsPerRequest) / seconds;
  };
}
