import type { EventEmitter } from "node:events";
import { setInterval as every } from "node:timers/promises";

type Reading = { sensor_id: string; recorded_at: string; temperature: number };

/** A gateway that posts its sensor's readings and, now and then, some that it posted before. */
export type Gateway = {
  /** Posts a batch: an unanswered one, an old one, or a new one. */
  postOne: (apiUrl: string) => Promise<void>;
  /** Posts the unanswered batches; true when none is left. */
  finish: (apiUrl: string) => Promise<boolean>;
  /** The moments of all readings that were answered 200, in order, each once. */
  acknowledged: () => string[];
};

/** How a post ended: without a status when no answer came in time. */
export type PostEnd = { status?: number; code?: string; tookMs: number };

export type GatewayOptions = {
  key: string;
  sensorId: string;
  random: () => number;
  /** Called with "stored" the moment that a 200 arrives, and with "ended" and its `PostEnd` for every post. */
  answers: EventEmitter;
  /** How long it waits for an answer. */
  patienceMs?: number;
};

const dayMs = 86_400_000;
const batchMax = 20;
const repeatRate = 0.2;
const usualPatienceMs = 5_000;

/**
 * Creates a gateway. Like a correct client it remembers the readings that were answered 200, and sends the others
 * again.
 */
export function createGateway(options: GatewayOptions): Gateway {
  const { key, sensorId, random, answers, patienceMs = usualPatienceMs } = options;
  const answered: Reading[][] = [];
  let unanswered: Reading[] | undefined;
  const beginsAtMs = Date.now() - dayMs;
  let made = 0;

  function newBatch(): Reading[] {
    return Array.from({ length: 1 + Math.floor(random() * batchMax) }, () => {
      made += 1;
      return {
        sensor_id: sensorId,
        recorded_at: new Date(beginsAtMs + made * 1_000).toISOString(),
        temperature: 4.5,
      };
    });
  }

  async function postNew(apiUrl: string): Promise<void> {
    unanswered ??= newBatch();
    if (!(await isStored(apiUrl, unanswered))) return;
    answered.push(unanswered);
    unanswered = undefined;
  }

  async function isStored(apiUrl: string, readings: readonly Reading[]): Promise<boolean> {
    const startedAtMs = performance.now();
    const response = await fetch(`${apiUrl}/v1/readings`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ readings }),
      signal: AbortSignal.timeout(patienceMs),
    }).catch(noAnswer);
    if (response?.status === 200) answers.emit("stored");
    const text = await response?.text().catch(noAnswer);
    answers.emit("ended", endOf(response, text, performance.now() - startedAtMs));
    if (response === undefined || text === undefined || response.status === 503) return false;
    if (response.status !== 200 || !text.includes('"rejected":0')) {
      throw new Error(`readings were answered ${response.status}: ${text}`);
    }
    return true;
  }

  return {
    postOne: async (apiUrl) => {
      const old = answered[Math.floor(random() * answered.length)];
      if (old !== undefined && random() < repeatRate) await isStored(apiUrl, old);
      else await postNew(apiUrl);
    },
    finish: async (apiUrl) => {
      if (unanswered !== undefined) await postNew(apiUrl);
      return unanswered === undefined;
    },
    acknowledged: () => answered.flat().map(({ recorded_at }) => recorded_at),
  };
}

function endOf(response: Response | undefined, text: string | undefined, tookMs: number): PostEnd {
  if (response === undefined || text === undefined) return { tookMs };
  const code = /"code":"(\w+)"/.exec(text)?.[1];
  return { status: response.status, ...(response.status !== 200 && code !== undefined && { code }), tookMs };
}

// The API is being killed all the time: to a gateway, every reason for a missing answer is the same.
function noAnswer(): undefined {
  return undefined;
}

/** Lets all gateways post, again and again, until `signal` is aborted. */
export async function postUntilStopped(
  gateways: readonly Gateway[],
  { apiUrl, everyMs, signal }: { apiUrl: string; everyMs: number; signal: AbortSignal },
): Promise<void> {
  for await (const _ of every(everyMs)) {
    if (signal.aborted) return;
    await Promise.all(gateways.map((gateway) => gateway.postOne(apiUrl)));
  }
}
