import type { Gateway } from "./organizations.ts";
import type { HourlyTemperature } from "./temperatures.ts";

/** A reading as `POST /v1/readings` takes it. */
export type PostedReading = { sensor_id: string; recorded_at: string; temperature: number };

/** When the gateway sends the batch again: it lost the answer, or it is too impatient to wait for it. */
export type Resend = "never" | "after_answer" | "at_once";

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
