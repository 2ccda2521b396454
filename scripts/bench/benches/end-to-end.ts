import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Comparison, Skipped } from "../comparison.ts";
import { interleave } from "../interleave.ts";
import { addFleet, planLoad } from "../load/fleet.ts";
import { type Gateway, type HttpServer, sendPlan, startGateway } from "../load/http-contestant.ts";
import { startServerProcess } from "../site/server-process.ts";
import { createOurDatabase, type Site } from "../site/site.ts";
import { startStripeStandIn, type StripeStandIn } from "../site/stripe-stand-in.ts";
import { singleFleet, singleLoad, startPeer } from "./intake-single.ts";
import { prepareNaiveSide, startRedis } from "./naive-side.ts";
import { deliveryConcurrency, startApi, startWorker } from "./our-servers.ts";

const bench = "end-to-end";
const peer = "readings, a BullMQ job and a Stripe call for each request";
const what = `POST of one reading until Stripe has it, ${singleFleet.organizations} organizations, a seal every second`;
const sealIntervalSeconds = 1;
const firstRequests = 1_000;
const pollMs = 20;
const withinMs = 300_000;

type Billed = { perSecond: number; calls: number };

/** Readings from the first POST until Stripe has counted the last, against the usual design with BullMQ. */
export async function benchEndToEnd(site: Site): Promise<(Comparison | Skipped)[]> {
  const redis = await startRedis(site);
  if (redis === undefined) return [{ bench, what, peer, skipped: "there is no redis-server in PATH" }];
  const gateway = startGateway(site);
  const ours = await startOurs(site, gateway);
  const theirs = await startTheirs(site, gateway, redis.port);
  const measured = await interleave(
    [
      { name: "ours", run: ours },
      { name: "theirs", run: theirs },
    ],
    site.rounds,
  );
  const column = (name: string, figure: keyof Billed) => measured(name).map((round) => round[figure]);
  return [
    {
      bench,
      what,
      unit: "readings/s until billed",
      ours: column("ours", "perSecond"),
      peer,
      theirs: column("theirs", "perSecond"),
    },
    {
      bench,
      what,
      unit: "Stripe calls for 1,000 readings",
      ours: column("ours", "calls"),
      peer,
      theirs: column("theirs", "calls"),
    },
  ];
}

async function startOurs(site: Site, gateway: Gateway): Promise<() => Promise<Billed>> {
  const databaseUrl = await createOurDatabase(site, "end_to_end");
  const fleet = await addFleet(databaseUrl, singleFleet);
  const stripe = await startStripeStandIn(site);
  await startWorker(site, { databaseUrl, stripeUrl: stripe.url, sealIntervalSeconds });
  const { port } = await startApi(site, databaseUrl);
  return contestant(site, gateway, { stripe, server: { port, fleet, table: "metering.readings" } });
}

async function startTheirs(site: Site, gateway: Gateway, redisPort: number): Promise<() => Promise<Billed>> {
  const { url, env } = await prepareNaiveSide(site, "bullmq", redisPort);
  const fleet = await addFleet(url, singleFleet);
  const stripe = await startStripeStandIn(site);
  await startServerProcess(site, {
    script: "scripts/bench/peers/naive-worker.ts",
    env: (port) => ({
      PORT: String(port),
      REDIS_PORT: String(redisPort),
      STRIPE_API_BASE: stripe.url,
      CONCURRENCY: String(deliveryConcurrency),
      RUN: randomUUID(),
    }),
  });
  const port = await startPeer(site, "naive-intake", env);
  return contestant(site, gateway, { stripe, server: { port, fleet, table: "naive.readings" } });
}

function contestant(
  site: Site,
  gateway: Gateway,
  { stripe, server }: { stripe: StripeStandIn; server: HttpServer },
): () => Promise<Billed> {
  let requests = firstRequests;
  return async () => {
    const plan = planLoad(server.fleet, { requests, readingsPerRequest: 1 });
    await stripe.takeTally();
    let startedAtMs = 0;
    const onStart = () => {
      startedAtMs = performance.now();
    };
    const [, { calls, doneAtMs }] = await Promise.all([
      sendPlan(gateway, { server, plan, connections: singleLoad.connections, onStart }),
      untilCounted(site, stripe, requests),
    ]);
    const seconds = (doneAtMs - startedAtMs) / 1_000;
    const perSecond = requests / seconds;
    const billed = { perSecond, calls: (calls * 1_000) / requests };
    requests = Math.max(firstRequests, Math.round(perSecond * site.secondsPerRound));
    return billed;
  };
}

/** Resolves when Stripe has counted this many readings. Throws when it counts more, or not all of them in time. */
async function untilCounted(
  site: Site,
  stripe: StripeStandIn,
  readings: number,
): Promise<{ calls: number; doneAtMs: number }> {
  const endsAtMs = performance.now() + withinMs;
  let calls = 0;
  for (let counted = 0; ;) {
    const tally = await stripe.takeTally();
    counted += tally.quantity;
    calls += tally.calls;
    if (counted > readings) throw new Error(`Stripe counted ${counted} of ${readings} readings`);
    if (counted === readings) return { calls, doneAtMs: performance.now() };
    site.signal.throwIfAborted();
    if (performance.now() > endsAtMs)
      throw new Error(`Stripe counted only ${counted} of ${readings} readings`);
    await sleep(pollMs);
  }
}
