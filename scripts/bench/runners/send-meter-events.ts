import { randomUUID } from "node:crypto";
import Stripe from "stripe";
import { serveTasks } from "../site/serve-tasks.ts";

export type SendInput = {
  url: string;
  transport: "sync" | "stream";
  events: number;
  concurrency: number;
  customers: number;
};

type MeterEvent = { event_name: string; payload: Record<string, string>; identifier: string };

const eventsPerStreamRequest = 100;
const quantity = "500";
const msPerSecond = 1_000;

/** How long all took, and how many events had been taken after one second. */
export type Sent = { seconds: number; inFirstSecond: number };

const tasks = {
  /** Sends meter events with nothing but the Stripe package, `concurrency` requests at a time. */
  send: async ({ url, transport, events, concurrency, customers }: SendInput): Promise<Sent> => {
    const { hostname, port } = new URL(url);
    const stripe = new Stripe("sk_test_bench", {
      host: hostname,
      port,
      protocol: "http",
      maxNetworkRetries: 0,
      telemetry: false,
    });
    const all = Array.from({ length: events }, (_, index) => ({
      event_name: "temperature_readings",
      payload: { stripe_customer_id: `cus_${index % customers}`, value: quantity },
      identifier: randomUUID(),
    }));
    const startedAtMs = performance.now();
    const send = transport === "stream" ? await streamOf(stripe) : syncOf(stripe);
    const step = transport === "stream" ? eventsPerStreamRequest : 1;
    let next = 0;
    let inFirstSecond = 0;
    const work = async () => {
      while (next < all.length) {
        const from = next;
        next += step;
        await untilTaken(() => send(all.slice(from, from + step)));
        if (performance.now() - startedAtMs <= msPerSecond) inFirstSecond += Math.min(step, events - from);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
    return { seconds: (performance.now() - startedAtMs) / msPerSecond, inFirstSecond };
  },
};

export type SendMeterEventsTasks = typeof tasks;

serveTasks(tasks);

const triesMax = 20;

/** A loop without a database tries again at once what was refused or cut. */
async function untilTaken(send: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await send();
      return;
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeError) || tries === triesMax) throw error;
    }
  }
}

type Send = (events: MeterEvent[]) => Promise<unknown>;

function syncOf(stripe: Stripe): Send {
  const timestamp = Math.floor(Date.now() / 1_000);
  return ([event]) => stripe.billing.meterEvents.create({ ...(event as MeterEvent), timestamp });
}

async function streamOf(stripe: Stripe): Promise<Send> {
  const session = await stripe.v2.billing.meterEventSession.create();
  const timestamp = new Date().toISOString();
  return (events) =>
    stripe.v2.billing.meterEventStream.create(
      { events: events.map((event) => ({ ...event, timestamp })) },
      { apiKey: session.authentication_token },
    );
}
