import { httpCall } from "./http-call.ts";
import { until } from "../processes/until.ts";

type SentReading = { sensor_id: string; recorded_at: string; temperature: number };

export type Gateway = {
  key: string;
  /** The addresses it may post to; it takes turns, and goes on with the next one when one does not answer. */
  apiUrls: readonly string[];
  sensors: readonly string[];
  /** The time of its first reading; no other gateway of the organization has readings of the same times. */
  from: Date;
  /** Whether it sends another batch after so many. */
  goesOn: (batchesSent: number) => boolean;
};

const readingsPerBatch = 20;

/**
 * Posts batches one after the other, each until it is answered 200, and every third one twice at once. Returns how
 * many readings it measured.
 */
export async function runGateway({ key, apiUrls, sensors, from, goesOn }: Gateway): Promise<number> {
  let turn = 0;
  const post = (batch: readonly SentReading[]) =>
    until(() => isTaken(`${apiUrls[turn++ % apiUrls.length]}/v1/readings`, { key, batch }), {
      what: "a batch to be taken",
    });
  let sent = 0;
  for (; goesOn(sent); sent += 1) {
    const batch = measureBatch(sensors, new Date(from.getTime() + sent * 10_000));
    await Promise.all(sent % 3 === 0 ? [post(batch), post(batch)] : [post(batch)]);
  }
  return sent * readingsPerBatch;
}

function measureBatch(sensors: readonly string[], from: Date): SentReading[] {
  return Array.from({ length: readingsPerBatch }, (_, n) => ({
    sensor_id: sensors[n % sensors.length] ?? "",
    recorded_at: new Date(from.getTime() + n * 100).toISOString(),
    temperature: -18 - (n % 7) / 10,
  }));
}

async function isTaken(
  url: string,
  { key, batch }: { key: string; batch: readonly SentReading[] },
): Promise<boolean> {
  try {
    const { status, body } = await httpCall("POST", url, { token: key, json: { readings: batch } });
    if (status === 200) return true;
    if (status === 503) return false;
    throw new Error(`the API answered ${status}: ${JSON.stringify(body)}`);
  } catch (error) {
    // fetch's error when the process has gone. Whether it took the batch is unknown, so it is sent again.
    if (error instanceof TypeError) return false;
    throw error;
  }
}
