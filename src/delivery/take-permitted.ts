import type { MeterName } from "../usage/meters.ts";
import type { Scope } from "./pauses.ts";
import { takeJobs, type TakenJob, type TakeOptions } from "./take-jobs.ts";
import { type ShipmentDeps, takeShipped } from "./take-shipments.ts";
import { takeUnfailed } from "./take-unfailed.ts";

/** How many reminders there were, and the attempts that began. */
type Taken = { jobs: number; taken: TakenJob[] };

/**
 * Takes events of a meter that may be sent, as the probe of a pause or without one, and counts an attempt at each. A probe is
 * made with an event that did not fail before, where there is one.
 */
export async function takePermitted(
  deps: ShipmentDeps,
  meter: MeterName,
  { probedScope, ...options }: TakeOptions & { probedScope: Scope | undefined },
): Promise<Taken> {
  const taken = probedScope === undefined ? [] : await takeUnfailed(deps, probedScope, options);
  return taken.length > 0 ? { jobs: taken.length, taken } : take(deps, meter, options);
}

/** Takes events with reminders of their own first: hurried events are among them, and events that failed before. */
async function take(deps: ShipmentDeps, meter: MeterName, options: TakeOptions): Promise<Taken> {
  const alone = await takeJobs(deps, meter, options);
  const room = options.room - alone.taken.length;
  if (room < 1) return alone;
  try {
    const shipped = await takeShipped(deps, meter, { ...options, room });
    return { jobs: alone.jobs + shipped.found, taken: [...alone.taken, ...shipped.taken] };
  } catch (error) {
    if (alone.taken.length === 0) throw error;
    // Attempts that have begun go out.
    deps.watch?.onFailed();
    deps.log.error({ event: "delivery_step_failed", error });
    return alone;
  }
}
