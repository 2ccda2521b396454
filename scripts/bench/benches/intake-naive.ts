import type { Comparison, Skipped } from "../comparison.ts";
import { type Contestant, interleave } from "../interleave.ts";
import { addFleet } from "../load/fleet.ts";
import { type Gateway, httpContestant, startGateway } from "../load/http-contestant.ts";
import { createOurDatabase, type Site } from "../site/site.ts";
import { singleFleet, singleLoad, singleWarmUpRounds, startPeer } from "./intake-single.ts";
import { type NaiveQueueName, naiveQueues, prepareNaiveSide, startRedis } from "./naive-side.ts";
import { startApi } from "./our-servers.ts";

const atLeast: Record<NaiveQueueName, number> = { "pg-boss": 8, "graphile-worker": 2.5, bullmq: 2.5 };
const peers: Record<NaiveQueueName, string> = {
  "pg-boss": "readings and a pg-boss job in a transaction per request",
  "graphile-worker": "readings and a graphile-worker job in a transaction per request",
  bullmq: "readings in a transaction per request, then a BullMQ job (Redis without appendonly, its default)",
};

/**
 * Requests of one reading, against the usual design: a transaction and a job for each request, behind our own server,
 * keys, log and validation.
 */
export async function benchIntakeNaive(site: Site): Promise<(Comparison | Skipped)[]> {
  const url = await createOurDatabase(site, "intake_ours");
  const gateway = startGateway(site);
  const fleet = await addFleet(url, singleFleet);
  const server = { port: (await startApi(site, url)).port, fleet, table: "metering.readings" };
  const contestants: Contestant<number>[] = [
    { name: "ours", run: httpContestant(site, { gateway, server, load: singleLoad }) },
  ];
  const redis = await startRedis(site);
  for (const queue of naiveQueues) {
    if (queue === "bullmq" && redis === undefined) continue;
    contestants.push({
      name: queue,
      run: await naiveContestant(site, gateway, { queue, redisPort: redis?.port ?? 0 }),
    });
  }
  const measured = await interleave(contestants, site.rounds, { warmUpRounds: singleWarmUpRounds });
  const bench = "intake-naive" as const;
  const what = `POST of one reading, ${singleLoad.connections} connections`;
  return naiveQueues.map((queue) => {
    if (!contestants.some(({ name }) => name === queue)) {
      return { bench, what, peer: peers[queue], skipped: "there is no redis-server in PATH" };
    }
    return {
      bench,
      what,
      unit: "requests/s",
      ours: measured("ours"),
      peer: peers[queue],
      theirs: measured(queue),
      target: { ratio: "at least", value: atLeast[queue] },
    };
  });
}

async function naiveContestant(
  site: Site,
  gateway: Gateway,
  { queue, redisPort }: { queue: NaiveQueueName; redisPort: number },
): Promise<() => Promise<number>> {
  const { url, env, takeJobs } = await prepareNaiveSide(site, queue, redisPort);
  const fleet = await addFleet(url, singleFleet);
  const port = await startPeer(site, "naive-intake", env);
  return httpContestant(site, {
    gateway,
    server: { port, fleet, table: "naive.readings" },
    load: singleLoad,
    afterRound: async ({ requests }) => {
      const jobs = await takeJobs();
      if (jobs !== requests) throw new Error(`${queue} has ${jobs} jobs of ${requests} requests`);
    },
  });
}
