import type { StripeReads } from "../stripe/reads.ts";
import { type MeterEventNames, type MeterName, meterNames } from "../usage/meters.ts";

/** Our name of a meter at Stripe, as it is now; undefined: it is none of ours. */
export async function findMeter(
  { reads, eventNames }: { reads: Pick<StripeReads, "readMeter">; eventNames: MeterEventNames },
  meterId: string,
): Promise<{ name: MeterName; isActive: boolean } | undefined> {
  const meter = await reads.readMeter(meterId);
  const name = meterNames.find((one) => eventNames[one] === meter?.eventName);
  return meter === undefined || name === undefined ? undefined : { name, isActive: meter.isActive };
}
