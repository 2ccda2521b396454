import { Worker } from "bullmq";
import Stripe from "stripe";
import type { UsageJob } from "./naive-queues.ts";
import { naiveQueueName } from "./naive-names.ts";
import { servePeer } from "./peer-server.ts";
import { variable } from "./peer-variable.ts";
import { Hono } from "hono";

// The usual design's worker: a meter event for each job, with the job's id as identifier.
const { hostname, port } = new URL(variable("STRIPE_API_BASE"));
const stripe = new Stripe("sk_test_bench", { host: hostname, port, protocol: "http", telemetry: false });

const worker = new Worker<UsageJob>(
  naiveQueueName,
  async ({ id, data, timestamp }) => {
    await stripe.billing.meterEvents.create({
      event_name: "temperature_readings",
      payload: { stripe_customer_id: `cus_${data.organizationId}`, value: String(data.quantity) },
      identifier: `${variable("RUN")}-${id}`,
      timestamp: Math.floor(timestamp / 1_000),
    });
  },
  {
    connection: { host: "127.0.0.1", port: Number(variable("REDIS_PORT")) },
    concurrency: Number(variable("CONCURRENCY")),
  },
);
worker.on("error", (error) => process.stderr.write(`${error.message}\n`));
worker.on("failed", (_, error) => process.stderr.write(`${error.message}\n`));
await worker.waitUntilReady();
// The bench takes a process for ready when it listens.
await servePeer(new Hono());
