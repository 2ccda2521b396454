import type { Settings } from "../settings.ts";
import type { AsyncError } from "../usage/async-error.ts";

const windowMs = 10_000;

/**
 * The `data` of an error report, as `GET /v2/core/events/:id` shows it (SDK typings, certain). That there can be fewer
 * samples than errors is certain, how many there are is not.
 */
export function reportData(
  errors: readonly AsyncError[],
  { samplesMax, settings }: { samplesMax: number | undefined; settings: Settings },
) {
  return {
    // The wording is our guess.
    developer_message_summary: `There ${errors.length === 1 ? "is 1 invalid event" : `are ${errors.length} invalid events`}.`,
    reason: {
      error_count: errors.length,
      error_types: [...Map.groupBy(errors, ({ code }) => code)].map(([code, ofType]) => ({
        code,
        error_count: ofType.length,
        sample_errors: ofType.slice(0, samplesMax).map((error) => sampleError(error, settings)),
      })),
    },
    ...validationWindow(errors),
  };
}

/** Sources conflict on whether `request` names the meter event or the request, and by which field. */
function sampleError(
  { message, identifier, idempotency_key }: AsyncError,
  { error_report_names, error_report_field }: Settings,
) {
  const name = error_report_names === "identifier" ? identifier : (idempotency_key ?? identifier);
  return { error_message: message, request: { [error_report_field]: name } };
}

/** Windows of 10 seconds, as in the documentation's examples; as many as it takes to hold every error. */
function validationWindow(errors: readonly AsyncError[]) {
  const receivedMs = errors.map(({ received_at }) => Date.parse(received_at));
  const startMs = Math.floor(Math.min(...receivedMs) / windowMs) * windowMs;
  const endMs = (Math.floor(Math.max(...receivedMs) / windowMs) + 1) * windowMs;
  return {
    validation_end: new Date(endMs).toISOString(),
    validation_start: new Date(startMs).toISOString(),
  };
}
