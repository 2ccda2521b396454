import { Counter, Gauge, type Registry } from "prom-client";
import type { TokenBucket } from "../../delivery/token-bucket.ts";
import type { DeliveryWatch } from "../../delivery/watch.ts";
import { meterNames } from "../../usage/meters.ts";

/** Counts attempts as they are answered, and meter events as they are settled. */
export function watchDelivery(registry: Registry): Omit<DeliveryWatch, "onFailed"> {
  const registers = [registry];
  const attempts = new Counter({
    name: "meter_outbox_delivery_attempts_total",
    help: "Attempts at meter events that ended, by verdict and its reason",
    labelNames: ["meter", "verdict", "reason"],
    registers,
  });
  const settled = new Counter({
    name: "meter_outbox_settled_total",
    help: "Attempts settled, by the state that they left their meter event in",
    labelNames: ["meter", "state"],
    registers,
  });
  const quantity = new Counter({
    name: "meter_outbox_delivered_quantity_total",
    help: "Usage that Stripe has taken from this process",
    labelNames: ["meter"],
    registers,
  });
  const refused = new Counter({
    name: "meter_outbox_settles_refused_total",
    help: "Attempts whose outcome the database refused to record",
    labelNames: ["meter"],
    registers,
  });
  for (const meter of meterNames) refused.inc({ meter }, 0);
  return {
    onRefused: ({ attempt }) => refused.inc({ meter: attempt.meter }),
    onAnswered: (finished) => {
      for (const { attempt, verdict, outcome } of finished) {
        const { reason } = verdict.kind === "delivered" ? outcome : verdict;
        attempts.inc({ meter: attempt.meter, verdict: verdict.kind, reason });
      }
    },
    onSettled: (changed) => {
      const ofMeters = Map.groupBy(changed, ({ attempt }) => attempt.meter);
      for (const [meter, some] of ofMeters) {
        const ofStates = Map.groupBy(some, ({ outcome }) => outcome.state);
        for (const [state, { length }] of ofStates) settled.inc({ meter, state }, length);
        const delivered = ofStates.get("delivered") ?? [];
        const sum = delivered.reduce((total, { attempt }) => total + Number(attempt.quantity), 0);
        if (delivered.length > 0) quantity.inc({ meter }, sum);
      }
    },
  };
}

/** Shows how fast this process may send at the moment, and at most. */
export function showRate(
  registry: Registry,
  { bucket, perSecondMax }: { bucket: Pick<TokenBucket, "rate" | "isClosed">; perSecondMax: number },
): void {
  const rate: Gauge = new Gauge({
    name: "meter_outbox_delivery_rate_events_per_second",
    help: "Meter events that this process may send a second; less than its maximum after a 429, 0 until Retry-After is over",
    registers: [registry],
    collect: () => rate.set(bucket.isClosed() ? 0 : bucket.rate()),
  });
  const rateMax = new Gauge({
    name: "meter_outbox_delivery_rate_events_per_second_max",
    help: "STRIPE_MAX_EVENTS_PER_SECOND of this process",
    registers: [registry],
  });
  rateMax.set(perSecondMax);
}
