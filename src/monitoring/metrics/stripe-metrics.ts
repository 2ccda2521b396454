import { Gauge, Histogram, type Registry } from "prom-client";
import { httpStatusOf, type StripeAnswer } from "../../stripe/answer.ts";
import type { Transport } from "../../stripe/sync-transport.ts";

/** Stripe answers in tenths of a second; the last bucket is the default of STRIPE_TIMEOUT_MS. */
const secondsBuckets = [0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 6, 10, 15];

/** The same transport, whose requests are timed and counted while they are in flight. */
export function timedTransport(registry: Registry, transport: Transport): Transport {
  const durations = new Histogram({
    name: "meter_outbox_stripe_request_duration_seconds",
    help: "Time of one sending to Stripe, by status class; none: no answer came",
    labelNames: ["status"],
    buckets: secondsBuckets,
    registers: [registry],
  });
  const inFlight = new Gauge({
    name: "meter_outbox_stripe_requests_in_flight",
    help: "Sendings to Stripe that wait for their answer",
    registers: [registry],
  });
  return {
    eventsPerRequestMax: transport.eventsPerRequestMax,
    send: async (requests) => {
      const startedAtMs = performance.now();
      inFlight.inc();
      try {
        const answer = await transport.send(requests);
        durations.observe({ status: statusClassOf(answer) }, (performance.now() - startedAtMs) / 1_000);
        return answer;
      } finally {
        inFlight.dec();
      }
    },
  };
}

function statusClassOf(answer: StripeAnswer): string {
  const status = httpStatusOf(answer);
  return status === null ? "none" : `${Math.floor(status / 100)}xx`;
}
