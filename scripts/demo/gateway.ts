import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { callApi, withRetry } from "./api-call.ts";
import type { Batch, PostedReading } from "./replay-plan.ts";

const answerSchema = z.object({ accepted: z.int(), duplicates: z.int(), rejected: z.int() });

/** The API's results for a batch, in numbers of readings. */
export type BatchAnswer = z.infer<typeof answerSchema>;

export type GatewayConnection = {
  apiUrl: string;
  apiKey: string;
  onAnswer: (answer: BatchAnswer) => void;
  signal: AbortSignal;
  /** Waits so long after each batch, so that people can watch; 0 by default. */
  paceMs?: number;
};

/** Registers sensors with the gateway's own key. Existing ones stay as they are. */
export async function registerSensors(
  { apiUrl, apiKey, signal }: Pick<GatewayConnection, "apiUrl" | "apiKey" | "signal">,
  sensorIds: readonly string[],
): Promise<void> {
  const body = { sensors: sensorIds.map((id) => ({ id })) };
  await callApi({ method: "POST", url: `${apiUrl}/v1/sensors`, token: apiKey, body, signal }, z.unknown());
}

/** Posts a gateway's batches, one after the other; some of them twice, as a gateway does whose answer was lost. */
export async function replayGateway(connection: GatewayConnection, batches: readonly Batch[]): Promise<void> {
  const { paceMs = 0, signal } = connection;
  for (const { readings, resend } of batches) {
    switch (resend) {
      case "never":
        await post(connection, readings);
        break;
      case "after_answer":
        await post(connection, readings);
        await post(connection, readings);
        break;
      case "at_once":
        await Promise.all([post(connection, readings), post(connection, readings)]);
        break;
    }
    if (paceMs > 0) await sleep(paceMs, undefined, { signal });
  }
}

async function post(connection: GatewayConnection, readings: PostedReading[]): Promise<void> {
  const { apiUrl, apiKey, onAnswer, signal } = connection;
  const call = {
    method: "POST",
    url: `${apiUrl}/v1/readings`,
    token: apiKey,
    body: { readings },
    signal,
  } as const;
  // 422 is the answer when every single reading was rejected.
  onAnswer(await withRetry(() => callApi(call, answerSchema, [200, 422]), signal));
}
