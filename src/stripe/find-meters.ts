import type Stripe from "stripe";
import { eachOf } from "./each-of.ts";

const pageSize = 100;

/**
 * The account's meters with these event names, active or not, by event name. A deactivated meter keeps its name; where
 * an active meter has the same name, the active one is returned.
 */
export async function findMeters(
  stripe: Stripe,
  eventNames: readonly string[],
): Promise<Map<string, Stripe.Billing.Meter>> {
  const found = new Map<string, Stripe.Billing.Meter>();
  for await (const meter of eachOf(stripe.billing.meters.list({ limit: pageSize }))) {
    if (!eventNames.includes(meter.event_name)) continue;
    if (found.get(meter.event_name)?.status !== "active") found.set(meter.event_name, meter);
  }
  return found;
}
