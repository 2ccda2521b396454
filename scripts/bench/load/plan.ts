/** A sender of readings: an organization with its key. */
export type Sender = { organizationId: string; key: string };

/**
 * A load: `requests` requests of `readingsPerRequest` readings, from each sender in turn. Reading n of a sender, counted
 * from 0 over all rounds, is of sensor n modulo `sensors`, and a millisecond after that sensor's one before.
 */
export type LoadPlan = {
  senders: readonly Sender[];
  sensors: number;
  requests: number;
  readingsPerRequest: number;
  /** The first reading of every sender. */
  firstReading: number;
  /** Unix milliseconds of a sensor's reading 0. */
  beginsAtMs: number;
};

type PlannedReading = { sensorId: string; recordedAtMs: number; temperature: number };
export type PlannedRequest = { sender: Sender; readings: PlannedReading[] };

const temperatureStep = 7_919;
const temperatureSteps = 400;

/** The name of a sensor, by its number from 0. */
export function sensorName(index: number): string {
  return `freezer-${index}`;
}

/** The request at a place of the plan, from 0. */
export function plannedRequest(plan: LoadPlan, index: number): PlannedRequest {
  const turn = Math.floor(index / plan.senders.length);
  const sender = plan.senders[index % plan.senders.length];
  if (sender === undefined) throw new RangeError("a load needs a sender");
  const first = plan.firstReading + turn * plan.readingsPerRequest;
  const readings = Array.from({ length: plan.readingsPerRequest }, (_, offset) =>
    plannedReading(plan, first + offset),
  );
  return { sender, readings };
}

/** How many readings further every sender is once the plan is done. */
export function readingsPerSender(
  plan: Pick<LoadPlan, "senders" | "requests" | "readingsPerRequest">,
): number {
  return Math.ceil(plan.requests / plan.senders.length) * plan.readingsPerRequest;
}

function plannedReading(plan: LoadPlan, number: number): PlannedReading {
  return {
    sensorId: sensorName(number % plan.sensors),
    recordedAtMs: plan.beginsAtMs + Math.floor(number / plan.sensors),
    temperature: ((number * temperatureStep) % temperatureSteps) / 10 - 20,
  };
}
