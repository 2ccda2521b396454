import type Stripe from "stripe";
import { eachOf } from "./each-of.ts";

/** A meter as Stripe has it. An inactive one refuses every event. */
export type MeterRead = { eventName: string; isActive: boolean };
export type RememberedMeters = {
  /** The account's meters by id. Read again when one of these ids is not among them, and when they are old. */
  knowing: (ids: readonly string[]) => Promise<ReadonlyMap<string, MeterRead>>;
  /** Makes the next call read the meters again, as after an event that says they changed. */
  forget: () => void;
};

const pageSize = 100;
/** An event tells that a meter was deactivated, but it may have reached another process. */
const goodForMs = 600_000;

/**
 * The account's meters, which hardly ever change, so that the choice of a subscription costs one read and not two. A
 * new meter is found by its id: Stripe never gives an id twice.
 */
export function rememberMeters(stripe: Stripe, nowMs: () => number = Date.now): RememberedMeters {
  let remembered: { meters: Map<string, MeterRead>; readAtMs: number } | undefined;
  return {
    async knowing(ids) {
      const isGood =
        remembered !== undefined &&
        nowMs() - remembered.readAtMs < goodForMs &&
        ids.every((id) => remembered?.meters.has(id));
      if (remembered === undefined || !isGood) {
        const readAtMs = nowMs();
        remembered = { meters: await readMeters(stripe), readAtMs };
      }
      return remembered.meters;
    },
    forget() {
      remembered = undefined;
    },
  };
}

async function readMeters(stripe: Stripe): Promise<Map<string, MeterRead>> {
  const meters = new Map<string, MeterRead>();
  for await (const meter of eachOf(stripe.billing.meters.list({ limit: pageSize }))) {
    meters.set(meter.id, { eventName: meter.event_name, isActive: meter.status === "active" });
  }
  return meters;
}
