import { type RefusedMeter, setUpMeters } from "../../stripe/set-up-meters.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { textTable } from "./text-table.ts";
import { type OurMeter, wantedMeters } from "./wanted-meters.ts";

/** Finds, creates or reactivates both meters at Stripe. */
export async function setUpStripe({ config, openStripe }: CommandTools): Promise<Outcome> {
  const setUp = await setUpMeters(openStripe(), wantedMeters(config));
  if (setUp.kind === "refused") {
    return { kind: "failed", message: [...setUp.meters.map(refusal), "Nothing was changed."].join("\n") };
  }
  const meters = setUp.meters.map(({ wanted, meterId, action }) => ({
    meter: wanted.meter,
    event_name: wanted.eventName,
    stripe_meter_id: meterId,
    action,
  }));
  return {
    kind: "done",
    document: { meters },
    text: textTable(
      ["METER", "EVENT NAME", "STRIPE METER", "ACTION"],
      meters.map((one) => [one.meter, one.event_name, one.stripe_meter_id, one.action]),
    ),
  };
}

function refusal({ wanted, meterId, faults }: RefusedMeter<OurMeter>): string {
  return (
    `the meter ${wanted.eventName} (${meterId}) cannot be used: ${faults.join(", ")}. Stripe lets nobody change ` +
    `that: set ${wanted.eventNameVariable} to another event name, for every process, run this again, and give the ` +
    "new meter to the prices."
  );
}
