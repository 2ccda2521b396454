import type { Simulation } from "../state.ts";
import type { AsyncError } from "../usage/async-error.ts";
import { emitThin } from "./emit.ts";
import { reportData } from "./report-data.ts";
import type { RelatedObject, ThinEvent } from "./stored-event.ts";

/**
 * Tells of the usage that was found invalid since the last report: one thin event per meter, and one for all usage that
 * matched none (docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api, certain).
 */
export function reportErrors(
  state: Simulation,
  { samples_max: samplesMax }: { samples_max?: number | undefined } = {},
): ThinEvent[] {
  const fresh = state.asyncErrors.slice(state.asyncErrorsReported);
  state.asyncErrorsReported = state.asyncErrors.length;
  return [...Map.groupBy(fresh, subjectOf).values()].map((errors) => {
    const related = relatedMeter(state, errors[0]);
    return emitThin(state, {
      type: `v1.billing.meter.${related === null ? "no_meter_found" : "error_report_triggered"}`,
      livemode: errors[0]?.livemode ?? false,
      related_object: related,
      data: reportData(errors, {
        samplesMax: samplesMax ?? state.settings.error_report_samples_max ?? undefined,
        settings: state.settings,
      }),
    });
  });
}

/** Errors of one meter belong together; an event name without a meter belongs to all others without one. */
function subjectOf({ code, event_name, livemode }: AsyncError): string {
  return JSON.stringify([livemode, code === "no_meter" ? null : event_name]);
}

function relatedMeter(state: Simulation, error: AsyncError | undefined): RelatedObject | null {
  if (error === undefined || error.code === "no_meter") return null;
  const meter = state.meterByEventName.get(error.event_name);
  if (meter === undefined) return null;
  return { id: meter.id, type: "billing.meter", url: `/v1/billing/meters/${meter.id}` };
}
