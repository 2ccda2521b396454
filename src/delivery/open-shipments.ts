import type { Job } from "pg-boss";
import type { MeterName } from "../usage/meters.ts";
import type { Due } from "./begin-due.ts";

/** A shipment that this worker has taken. */
type Shipment = {
  meter: MeterName;
  job: Pick<Job, "id" | "retryCount">;
  takenAtMs: number;
  /** Events that this worker has still to do with. */
  unended: number;
};

export type EndedShipment = Pick<Shipment, "meter" | "job">;

/** An event of it. */
export type ShippedEvent = Due & { shipment: Shipment; notBeforeMs: number };

export type OpenShipments = {
  add: (meter: MeterName, job: Pick<Job, "id" | "retryCount">, events: readonly Due[]) => void;
  /** The ids of the jobs that this worker holds. */
  jobs: () => string[];
  /** How many events of this meter have not begun. */
  waiting: (meter: MeterName) => number;
  /**
   * Takes out events to begin, in their order; with `oneOfEach` none whose customer has an event under way here. They are
   * under way until they end or are put back.
   */
  draw: (meter: MeterName, options: { room: number; oneOfEach: boolean }) => ShippedEvent[];
  /** Did not begin after all, and waits so long. */
  putBack: (events: readonly ShippedEvent[], afterMs: number) => void;
  /** Takes out the events that have waited for longer. They are under way until they end. */
  drawLate: (meter: MeterName, longerThanMs: number) => ShippedEvent[];
  /** The same for the events of one shipment. */
  drawShipment: (meter: MeterName, jobId: string) => ShippedEvent[];
  /** Returns the shipments that have no other event left. Their jobs are this worker's until they are deleted. */
  end: (meterEventIds: readonly string[]) => EndedShipment[];
  /** Their jobs are deleted. */
  forget: (ended: readonly EndedShipment[]) => void;
};

/** Keeps the events of the shipments that this worker has taken, waiting or under way. `nowMs` is a monotonic clock. */
export function createOpenShipments(nowMs: () => number): OpenShipments {
  const waiting = new Map<MeterName, ShippedEvent[]>();
  const underWay = createEventsUnderWay();
  const jobs = new Set<string>();
  const waitingOf = (meter: MeterName) => waiting.get(meter) ?? [];

  /** Takes out what `isTaken` says, in order. */
  function takeOut(meter: MeterName, isTaken: (event: ShippedEvent) => boolean): ShippedEvent[] {
    const taken: ShippedEvent[] = [];
    const left: ShippedEvent[] = [];
    for (const event of waitingOf(meter)) (isTaken(event) ? taken : left).push(event);
    waiting.set(meter, left);
    for (const event of taken) underWay.add(event);
    return taken;
  }

  return {
    add(meter, { id, retryCount }, events) {
      const shipment = { meter, job: { id, retryCount }, takenAtMs: nowMs(), unended: events.length };
      const added = events.map((event) => ({ ...event, shipment, notBeforeMs: Number.NEGATIVE_INFINITY }));
      waiting.set(meter, [...waitingOf(meter), ...added]);
      jobs.add(id);
    },
    jobs: () => [...jobs],
    waiting: (meter) => waitingOf(meter).length,
    draw(meter, { room, oneOfEach }) {
      const drawn = new Set<string>();
      let left = room;
      return takeOut(meter, (event) => {
        const customer = customerOf(event);
        const isFree = !oneOfEach || !(underWay.hasCustomer(customer) || drawn.has(customer));
        if (left < 1 || !isFree || event.notBeforeMs > nowMs()) return false;
        drawn.add(customer);
        left -= 1;
        return true;
      });
    },
    putBack(events, afterMs) {
      for (const event of events) underWay.delete(event);
      for (const [meter, ofMeter] of Map.groupBy(events, ({ shipment }) => shipment.meter)) {
        const again = ofMeter.map((event) => ({ ...event, notBeforeMs: nowMs() + afterMs }));
        waiting.set(meter, [...waitingOf(meter), ...again]);
      }
    },
    drawLate: (meter, longerThanMs) =>
      takeOut(meter, ({ shipment }) => nowMs() - shipment.takenAtMs > longerThanMs),
    drawShipment: (meter, jobId) => takeOut(meter, ({ shipment }) => shipment.job.id === jobId),
    end(meterEventIds) {
      return meterEventIds.flatMap(underWay.find).flatMap((event) => {
        underWay.delete(event);
        event.shipment.unended -= 1;
        return event.shipment.unended > 0 ? [] : [event.shipment];
      });
    },
    forget(ended) {
      for (const { job } of ended) jobs.delete(job.id);
    },
  };
}

function customerOf({ key, shipment }: ShippedEvent): string {
  return `${key.organizationId}:${shipment.meter}`;
}

/** An event may be here more than once: where a shipment came back whose lease had ended. */
function createEventsUnderWay() {
  const byId = new Map<string, ShippedEvent[]>();
  const customers = new Map<string, number>();
  return {
    find: (meterEventId: string) => byId.get(meterEventId) ?? [],
    hasCustomer: (customer: string) => customers.has(customer),
    add(event: ShippedEvent): void {
      const { meterEventId } = event.key;
      byId.set(meterEventId, [...(byId.get(meterEventId) ?? []), event]);
      customers.set(customerOf(event), (customers.get(customerOf(event)) ?? 0) + 1);
    },
    delete(event: ShippedEvent): void {
      const { meterEventId } = event.key;
      const same = (byId.get(meterEventId) ?? []).filter((one) => one !== event);
      if (same.length > 0) byId.set(meterEventId, same);
      else byId.delete(meterEventId);
      const others = (customers.get(customerOf(event)) ?? 0) - 1;
      if (others > 0) customers.set(customerOf(event), others);
      else customers.delete(customerOf(event));
    },
  };
}
