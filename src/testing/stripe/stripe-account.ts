import { Stripe } from "stripe";
import { startSimulator } from "../../simulator/start-simulator.ts";
import type { Simulator } from "../../simulator/create-simulator.ts";
import { meterNames, meters, type MeterName } from "../../usage/meters.ts";

/** A simulated Stripe account with both meters, as the real SDK sees it. */
export type StripeAccess = {
  url: string;
  secretKey: string;
  stripe: Stripe;
  meterIds: Record<MeterName, string>;
  /** A monthly metered price for each meter. */
  priceIds: Record<MeterName, string>;
};

/** The same with its simulator, which runs in this process. */
export type StripeAccount = StripeAccess & { simulator: Simulator; stop: () => Promise<void> };

/** Starts the simulator on a free port and creates meters and prices as an operator would: through Stripe's API. */
export async function openStripeAccount({ name: account }: { name: string }): Promise<StripeAccount> {
  const { url, simulator, stop } = await startSimulator();
  return { ...(await openAccountAt(url, account)), simulator, stop };
}

/** Creates meters and prices at a simulator that runs anywhere. */
export async function openAccountAt(url: string, account: string): Promise<StripeAccess> {
  const { hostname, port } = new URL(url);
  const secretKey = `sk_test_${account.replaceAll(/\W/g, "_")}`;
  const stripe = new Stripe(secretKey, {
    host: hostname,
    port,
    protocol: "http",
    maxNetworkRetries: 0,
    telemetry: false,
  });
  const meterIds = { temperature_readings: "", active_sensors: "" };
  const priceIds = { temperature_readings: "", active_sensors: "" };
  for (const name of meterNames) {
    const created = await stripe.billing.meters.create({
      display_name: name,
      event_name: name,
      default_aggregation: { formula: meters[name].aggregation },
    });
    meterIds[name] = created.id;
    priceIds[name] = await addMeteredPrice(stripe, created.id);
  }
  return { url, secretKey, stripe, meterIds, priceIds };
}

async function addMeteredPrice(stripe: Stripe, meter: string): Promise<string> {
  const { id } = await stripe.prices.create({
    currency: "usd",
    unit_amount: 2,
    product_data: { name: "Temperature monitoring" },
    recurring: { interval: "month", usage_type: "metered", meter },
  });
  return id;
}
