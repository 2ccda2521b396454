import { setTimeout as sleep } from "node:timers/promises";
import type { Comparison, Skipped } from "../comparison.ts";
import { addFleet, planLoad } from "../load/fleet.ts";
import type { GatewaysOutcome } from "../load/gateways.ts";
import { type LoadPlan, plannedRequest } from "../load/plan.ts";
import type { OverloadTasks } from "../runners/overload.ts";
import { canReadPeakMemory, readMemoryMib } from "../site/memory.ts";
import { startRunner } from "../site/runner.ts";
import { ask, createOurDatabase, type Site } from "../site/site.ts";
import { watchProcess, type Watched } from "../site/watch-process.ts";
import { quantileOf } from "../statistics.ts";
import { startApi } from "./our-servers.ts";

const bench = "overload";
const peer = "the limit";
const connections = 2_000;
const seconds = 30;
const everyMs = 1_000;
const fleetOf = { organizations: 100, sensors: 100 };
/** For the held bytes to be given back: a client that reads nothing is cut off within a minute. */
const recoverySeconds = 60;
const limits = { memoryMib: 512, recoveredMib: 256, probeMs: 250, connectMs: 1_000 };
const p99 = 0.99;

/**
 * The API under 2,000 gateways that send a reading a second, and at the same time under all attacks that were found to
 * hurt it: packed lines whose answers stay unread, packed blanks, thousands of unknown fields, strangers' bodies and
 * webhooks.
 */
export async function benchOverload(site: Site): Promise<(Comparison | Skipped)[]> {
  const what = `${connections} connections and the attacks together`;
  if (!canReadPeakMemory)
    return [{ bench, what, peer, skipped: "this system does not tell a process's memory" }];
  const url = await createOurDatabase(site, "overload");
  const api = await startApi(site, url);
  const fleet = await addFleet(url, fleetOf);
  const plan = planLoad(fleet, { requests: connections * seconds, readingsPerRequest: 1 });
  const gateways = startRunner<OverloadTasks>(site, "overload");
  const attackers = startRunner<OverloadTasks>(site, "overload");
  await gateways.ask("prepare", { plan, port: api.port });

  const over = new AbortController();
  const watching = watchProcess(api, over.signal);
  const server = { port: api.port, key: fleet.senders[0]?.key ?? "" };
  const load = gateways.ask("gateways", { port: api.port, connections, seconds, everyMs });
  const attacks = await attackers.ask("attack", { server, seconds });
  const outcome = await load;
  over.abort();
  const watched = await watching;
  console.error(`${bench}: ${JSON.stringify({ gateways: outcome.statuses, attacks })}`);
  await expectTakenStored(url, plan, outcome);
  await sleep(recoverySeconds * 1_000);
  return figures(watched, outcome, await readMemoryMib(api.pid));
}

function figures(
  { probesMs, memoryMib }: Watched,
  { connectMs }: GatewaysOutcome,
  recoveredMib: number,
): Comparison[] {
  const atMost = (what: string, unit: string, ours: number, limit: number): Comparison => ({
    bench,
    what,
    unit,
    ours: [ours],
    peer,
    theirs: [limit],
    target: { ratio: "at most", value: 1 },
  });
  return [
    atMost(`the API's RSS at most`, "MiB", Math.max(...memoryMib), limits.memoryMib),
    atMost(`the API's RSS ${recoverySeconds} s later`, "MiB", recoveredMib, limits.recoveredMib),
    atMost("p99 of /healthz on a new connection", "ms", quantileOf(probesMs, p99), limits.probeMs),
    atMost("p99 of a gateway's connecting", "ms", quantileOf(connectMs, p99), limits.connectMs),
  ];
}

/** Throws unless every reading that was answered 200 is stored. */
async function expectTakenStored(url: string, plan: LoadPlan, { taken }: GatewaysOutcome): Promise<void> {
  const rows = await ask<{ name: string }>(
    url,
    `select organization_id || ' ' || sensor_id || ' ' || round(extract(epoch from recorded_at) * 1000) as name from metering.readings`,
  );
  const stored = new Set(rows.map(({ name }) => name));
  const missing = taken.filter((index) => {
    const { sender, readings } = plannedRequest(plan, index);
    return readings.some(
      ({ sensorId, recordedAtMs }) => !stored.has(`${sender.organizationId} ${sensorId} ${recordedAtMs}`),
    );
  });
  if (taken.length === 0 || missing.length > 0) {
    throw new Error(`${missing.length} of ${taken.length} readings that were answered 200 are not stored`);
  }
}
