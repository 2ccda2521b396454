import type Stripe from "stripe";
import { findMeters } from "../../stripe/find-meters.ts";
import { meterFaults } from "../../stripe/meter-faults.ts";
import type { OurMeter } from "../wanted-meters.ts";
import { type Finding, ok, problem } from "../../monitoring/checks/finding.ts";

const check = "meters";

/** Whether both meters exist at Stripe, take usage, and fold it as we do. */
export async function checkMeters(stripe: Stripe, wanted: readonly OurMeter[]): Promise<Finding> {
  const found = await findMeters(
    stripe,
    wanted.map(({ eventName }) => eventName),
  );
  const faults = wanted.flatMap((one) => faultsOf(found.get(one.eventName), one));
  if (faults.length === 0) return ok(check, wanted.map(({ eventName }) => eventName).join(" and "));
  return problem(
    check,
    faults.join("; "),
    "run `node dist/cli.js stripe setup`, which mends it or says what to do",
  );
}

function faultsOf(meter: Stripe.Billing.Meter | undefined, wanted: OurMeter): string[] {
  if (meter === undefined) return [`${wanted.eventName} does not exist`];
  const faults = meterFaults(meter, wanted);
  if (meter.status !== "active") faults.push("it is inactive");
  return faults.length === 0 ? [] : [`${wanted.eventName}: ${faults.join(", ")}`];
}
