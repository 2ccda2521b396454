import type { Comparison } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { addFleet, planLoad } from "../load/fleet.ts";
import {
  type Gateway,
  type HttpServer,
  httpContestant,
  sendPlan,
  startGateway,
} from "../load/http-contestant.ts";
import { medianOf, quantileOf } from "../statistics.ts";
import { createOurDatabase, type Site } from "../site/site.ts";
import { singleFleet, singleLoad } from "./intake-single.ts";
import { startApi } from "./our-servers.ts";

const shares = [0.1, 0.5, 0.8];
const [firstShare = 0] = shares;
const peakRounds = 3;
/** Enough that a request due never waits for a connection unless hundreds wait for their answers. */
const connections = 256;
const requestsMin = 100;
const quantiles = { p50: 0.5, p99: 0.99 };

type Latency = Record<keyof typeof quantiles, number>;

/**
 * Time of one POST while requests arrive at a constant rate, whether or not the ones before have ended: 10, 50 and 80 %
 * of the peak that 64 connections reach, which is measured first. Counted from when a request was due; the sender's own
 * timer is up to a millisecond of it.
 */
export async function benchLatency(site: Site): Promise<Comparison[]> {
  const url = await createOurDatabase(site, "latency");
  const gateway = startGateway(site);
  const fleet = await addFleet(url, singleFleet);
  const server = { port: (await startApi(site, url)).port, fleet, table: "metering.readings" };
  const reachPeak = httpContestant(site, { gateway, server, load: singleLoad });
  const peaks = await interleave([{ name: "peak", run: reachPeak }], peakRounds);
  const peak = medianOf(peaks("peak"));
  const measured = await interleave(
    shares.map((share) => ({
      name: String(share),
      run: () => measureLatency(site, gateway, { server, perSecond: peak * share }),
    })),
    site.rounds,
  );
  const column = (share: number, quantile: keyof Latency) =>
    measured(String(share)).map((round) => round[quantile]);
  return shares.slice(1).flatMap((share) =>
    (["p50", "p99"] as const).map((quantile) => ({
      bench: "latency" as const,
      what: `${quantile} of a POST at ${share * 100} % of the peak of ${Math.round(peak)}/s`,
      unit: "ms",
      ours: column(share, quantile),
      peer: `at ${firstShare * 100} %`,
      theirs: column(firstShare, quantile),
    })),
  );
}

async function measureLatency(
  site: Site,
  gateway: Gateway,
  { server, perSecond }: { server: HttpServer; perSecond: number },
): Promise<Latency> {
  const requests = Math.max(requestsMin, Math.round(perSecond * site.secondsPerRound));
  const plan = planLoad(server.fleet, { requests, readingsPerRequest: 1 });
  const { latenciesMs } = await sendPlan(gateway, { server, plan, connections, perSecond });
  return { p50: quantileOf(latenciesMs, quantiles.p50), p99: quantileOf(latenciesMs, quantiles.p99) };
}
