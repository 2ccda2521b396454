import type { MeterName } from "../usage/meters.ts";
import type { Scope } from "./pauses.ts";
import { takeJobs, type TakenJob, type TakeOptions } from "./take-jobs.ts";
import { type ShipmentDeps, takeShipped } from "./take-shipments.ts";
import { takeUnfailed } from "./take-unfailed.ts";

/** How many reminders there were, and the attempts that began. */
type Taken = { jobs: number; taken: TakenJob[] };

type Way = (room: number) => Promise<Taken>;

type Turn = Omit<TakeOptions, "onlyHurried"> & {
  /** Events of shipments go before events with reminders of their own. */
  areShippedFirst: boolean;
};

/**
 * Takes events of a meter that may be sent, as the probe of a pause or without one, and counts an attempt at each. A probe is
 * made with an event that did not fail before, where there is one.
 */
export async function takePermitted(
  deps: ShipmentDeps,
  meter: MeterName,
  { probedScope, ...options }: Turn & { probedScope: Scope | undefined },
): Promise<Taken> {
  const taken = probedScope === undefined ? [] : await takeUnfailed(deps, probedScope, options);
  return taken.length > 0 ? { jobs: taken.length, taken } : take(deps, meter, options);
}

/**
 * Takes hurried events first. Of the others, events of shipments and events with reminders of their own go first in turn:
 * either may be due without an end, and take all that the rate allows.
 */
async function take(
  deps: ShipmentDeps,
  meter: MeterName,
  { areShippedFirst, ...options }: Turn,
): Promise<Taken> {
  const hurried: Way = (room) => takeJobs(deps, meter, { ...options, room, onlyHurried: true });
  const alone: Way = (room) => takeJobs(deps, meter, { ...options, room });
  const shipped: Way = async (room) => {
    const { found, taken } = await takeShipped(deps, meter, { ...options, room });
    return { jobs: found, taken };
  };
  // Hurried reminders are the first ones of their queue.
  const ways = areShippedFirst ? [hurried, shipped, alone] : [alone, shipped];
  const all: Taken = { jobs: 0, taken: [] };
  for (const way of ways) {
    const room = options.room - all.taken.length;
    if (room < 1) break;
    try {
      const { jobs, taken } = await way(room);
      all.jobs += jobs;
      all.taken.push(...taken);
    } catch (error) {
      if (all.taken.length === 0) throw error;
      // Attempts that have begun go out.
      deps.watch?.onFailed();
      deps.log.error({ event: "delivery_step_failed", error });
      break;
    }
  }
  return all;
}
