import { randomInt } from "node:crypto";
import { expect } from "vitest";
import { startCrashProcess } from "./crash-process.ts";
import { killUntil } from "./crash-run.ts";
import { crashTest as test } from "./crash-site.ts";
import { listPoisoned, skipTheLeases, untilDrained } from "./drain.ts";
import { findLosses } from "./ledger.ts";
import { steps } from "./kills.ts";
import { until } from "../../testing/processes/until.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

/** `CRASH_KILLS` makes it a full run, which also waits for real leases; `CRASH_SEED` repeats a run's decisions. */
const killsOfFullRun = process.env["CRASH_KILLS"];
const isFullRun = killsOfFullRun !== undefined;
// Each step once, and most twice.
const kills = Number(killsOfFullRun ?? 16);
const seed = Number(process.env["CRASH_SEED"] ?? randomInt(1_000_000));

test(
  "no kill of a worker or the API, whenever it comes, loses a reading or bills one twice",
  { timeout: patienceMs(200_000 + kills * 6_000) },
  async ({ prepare, api }) => {
    process.stdout.write(`crash suite: CRASH_SEED=${seed} kills=${kills}\n`);
    const site = await prepare(seed);
    const { db, simulator, gateways, customers } = site;

    const deaths = await killUntil(site, kills);

    simulator.clearFaults();
    if (!isFullRun) await skipTheLeases(db);
    const survivors = [
      startCrashProcess("api", site.apiEnvironment),
      startCrashProcess("worker", { ...site.environment, DELIVERY_CONCURRENCY: "50" }),
    ];
    let poisoned: string[];
    try {
      await until(
        async () => !(await Promise.all(gateways.map(({ finish }) => finish(site.apiUrl)))).includes(false),
        {
          what: "every gateway to be answered",
        },
      );
      await untilDrained(db, { withinMs: 90_000 });
      poisoned = await listPoisoned(db);
      const retry = { token: api.adminToken, json: { state: "rejected" } };
      expect((await api.ask("POST", "/v1/meter-events/retry", retry)).body).toEqual({
        retried: poisoned.length,
      });
      await untilDrained(db, { withinMs: 90_000 });
      expect(await listPoisoned(db)).toEqual([]);
    } finally {
      for (const survivor of survivors) survivor.signal("SIGKILL");
      await Promise.all(survivors.map(({ died }) => died()));
    }

    const accounts = customers.map(({ gateway, ...one }) => ({
      ...one,
      acknowledged: gateway.acknowledged(),
    }));
    const readings = accounts.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
    process.stdout.write(
      `crash suite: ${JSON.stringify({ deaths, readings, poisoned: poisoned.length, ...counts(simulator.state()) })}\n`,
    );
    expect(await findLosses({ db, simulator, workersMax: 2 }, accounts)).toEqual([]);
    expect(([...steps, "api_at_answer"] as const).filter((one) => deaths[one] === 0)).toEqual([]);
  },
);

function counts({ requests, faults_fired, duplicates }: Record<string, unknown>) {
  return { requests, faults_fired, duplicates };
}
