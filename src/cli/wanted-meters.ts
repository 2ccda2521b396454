import type { WantedMeter } from "../stripe/meter-faults.ts";
import { meterEventNames, type MeterName, meterNames, meters } from "../usage/meters.ts";

/** One of our meters, with the settings that it must have at Stripe. */
export type OurMeter = WantedMeter & {
  meter: MeterName;
  /** The environment variable that gives it another event name. */
  eventNameVariable: string;
};

/** Our meters under the configured event names. */
export function wantedMeters(config: Parameters<typeof meterEventNames>[0]): OurMeter[] {
  const eventNames = meterEventNames(config);
  return meterNames.map((meter) => ({
    meter,
    eventName: eventNames[meter],
    eventNameVariable: meters[meter].eventNameVariable,
    formula: meters[meter].aggregation,
    displayName: meter.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase()),
  }));
}
