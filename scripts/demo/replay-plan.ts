import type { HourlyTemperature } from "./temperatures.ts";

/** A gateway collects the readings of a site's sensors and posts them. */
export type Gateway = { name: string; sensorIds: string[] };

/** `checkout`, `by_hand`: the operator links a customer that has subscribed already; `plan_change`: a checkout, and another in the middle. */
export type Joining = "checkout" | "by_hand" | "plan_change";

export type DemoOrganization = { name: string; joining: Joining; gateways: Gateway[] };

/** Whose readings the demo replays. Each has another number of sensors, so that no bill can be mistaken for another. */
export const demoOrganizations: DemoOrganization[] = [
  organization(["Northwind Pharma Cold Chain", "checkout"], 3, ["basel", "leiden", "raleigh", "singapore"]),
  organization(["Bering Seafood", "plan_change"], 2, ["dutch-harbor", "kodiak", "seattle", "busan"]),
  organization(["Alpine Dairy", "by_hand"], 4, ["chur", "innsbruck", "bolzano", "annecy"]),
];

function organization(
  [name, joining]: [string, Joining],
  sensorsPerSite: number,
  sites: string[],
): DemoOrganization {
  return {
    name,
    joining,
    gateways: sites.map((site) => ({ name: site, sensorIds: sensorIdsOf(site, sensorsPerSite) })),
  };
}

function sensorIdsOf(site: string, sensors: number): string[] {
  return Array.from({ length: sensors }, (_, index) => `${site}.cold-room-${index + 1}`);
}

/** A reading as `POST /v1/readings` takes it. */
export type PostedReading = { sensor_id: string; recorded_at: string; temperature: number };

/** When the gateway sends the batch again: it lost the answer, or it is too impatient to wait for it. */
type Resend = "never" | "after_answer" | "at_once";

export type Batch = { readings: PostedReading[]; resend: Resend };

const readingsPerBatch = 110;
const resendEveryBatches = 10;

/** Deals the temperatures out to the gateways and their sensors in turn, each once, and cuts them into batches. */
export function planReplay(
  temperatures: readonly HourlyTemperature[],
  gateways: readonly Gateway[],
): Batch[][] {
  return gateways.map(({ sensorIds }, gatewayIndex) => {
    const own = temperatures.filter((_, index) => index % gateways.length === gatewayIndex);
    return intoBatches(
      own.map((temperature, index) => readingOf(temperature, sensorIds[index % sensorIds.length])),
    );
  });
}

function readingOf({ recordedAt, celsius }: HourlyTemperature, sensorId: string | undefined): PostedReading {
  if (sensorId === undefined) throw new RangeError("the gateway has no sensor");
  return { sensor_id: sensorId, recorded_at: recordedAt.toISOString(), temperature: celsius };
}

function intoBatches(readings: PostedReading[]): Batch[] {
  return Array.from({ length: Math.ceil(readings.length / readingsPerBatch) }, (_, index) => ({
    readings: readings.slice(index * readingsPerBatch, (index + 1) * readingsPerBatch),
    resend: resendOf(index),
  }));
}

// Every tenth batch, alternately in the one way and the other.
function resendOf(batchIndex: number): Resend {
  const turn = batchIndex / resendEveryBatches;
  if (!Number.isInteger(turn)) return "never";
  return turn % 2 === 0 ? "after_answer" : "at_once";
}
