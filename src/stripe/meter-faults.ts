import type Stripe from "stripe";

/** A meter with the settings that this service needs. */
export type WantedMeter = {
  eventName: string;
  /** Stripe's word for how events are folded over a billing period. */
  formula: "sum" | "last";
  displayName: string;
};

/** The keys of a meter event's payload, as every transport sends them. */
const customerKey = "stripe_customer_id";
const valueKey = "value";

/**
 * The settings of a meter that would bill other sums than ours, one phrase each. None of them can be changed once a
 * meter exists (docs.stripe.com/api/billing/meter/update). Whether the meter is active is not looked at here.
 */
export function meterFaults(meter: Stripe.Billing.Meter, { formula }: WantedMeter): string[] {
  const faults: string[] = [];
  const found = meter.default_aggregation.formula;
  if (found !== formula) faults.push(`its formula is ${found} instead of ${formula}`);
  const customer = meter.customer_mapping.event_payload_key;
  if (customer !== customerKey) faults.push(`its customer key is ${customer} instead of ${customerKey}`);
  const value = meter.value_settings.event_payload_key;
  if (value !== valueKey) faults.push(`its value key is ${value} instead of ${valueKey}`);
  const window = meter.event_time_window;
  if (window !== null) faults.push(`it keeps only the last event of each ${window} (event_time_window)`);
  return faults;
}

/** The parameters with which a meter is created at Stripe. */
export function meterToCreate({
  eventName,
  formula,
  displayName,
}: WantedMeter): Stripe.Billing.MeterCreateParams {
  return {
    display_name: displayName,
    event_name: eventName,
    default_aggregation: { formula },
    customer_mapping: { type: "by_id", event_payload_key: customerKey },
    value_settings: { event_payload_key: valueKey },
  };
}
