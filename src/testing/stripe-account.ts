import { Stripe } from "stripe";
import { startSimulator } from "../simulator/start-simulator.ts";
import type { Simulator } from "../simulator/create-simulator.ts";
import { meterNames, meters, type MeterName } from "../usage/meters.ts";

/** A simulated Stripe account with both meters, and the real SDK as its client. */
export type StripeAccount = {
  url: string;
  secretKey: string;
  stripe: Stripe;
  simulator: Simulator;
  meterIds: Record<MeterName, string>;
  stop: () => Promise<void>;
};

/** Starts the simulator on a free port and creates the meters as an operator would: through Stripe's API. */
export async function openStripeAccount({ name: account }: { name: string }): Promise<StripeAccount> {
  const { url, host, port, simulator, stop } = await startSimulator();
  const secretKey = `sk_test_${account.replaceAll(/\W/g, "_")}`;
  const stripe = new Stripe(secretKey, {
    host,
    port,
    protocol: "http",
    maxNetworkRetries: 0,
    telemetry: false,
  });
  const meterIds = { temperature_readings: "", active_sensors: "" };
  for (const name of meterNames) {
    const created = await stripe.billing.meters.create({
      display_name: name,
      event_name: name,
      default_aggregation: { formula: meters[name].aggregation },
    });
    meterIds[name] = created.id;
  }
  return { url, secretKey, stripe, simulator, meterIds, stop };
}
