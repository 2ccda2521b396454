import { setTimeout as sleep } from "node:timers/promises";
import { openConnection } from "./connection.ts";

export type LoadOutcome = {
  /** Without those of the run-up. */
  seconds: number;
  /** How often each status was answered. */
  statuses: Record<number, number>;
  /** Milliseconds of each request, in the order of their answers. */
  latenciesMs: Float64Array;
  /** Processor time of the sender itself, all threads. */
  ownCpuSeconds: number;
};

export type LoadShape =
  /** The next request of a connection follows the answer to its last. Time counts from the answer to the run-up's last. */
  | { kind: "closed"; connections: number; runUp?: number }
  /**
   * Requests leave at a constant rate, whether or not the ones before have ended; latency counts from when each was
   * due.
   */
  | { kind: "open"; connections: number; perSecond: number };

const microsecondsPerSecond = 1_000_000;

/** Sends all requests to a port of this machine, over connections opened beforehand. Rejects when a connection breaks. */
export async function sendLoad(
  port: number,
  requests: readonly Buffer[],
  shape: LoadShape,
): Promise<LoadOutcome> {
  const connections = await Promise.all(
    Array.from({ length: shape.connections }, () => openConnection(port)),
  );
  const statuses: Record<number, number> = {};
  const latenciesMs = new Float64Array(requests.length);
  const cpuBefore = process.cpuUsage();
  let startedAtMs = performance.now();
  const runUp = shape.kind === "closed" ? shape.runUp : undefined;
  let next = 0;
  let answered = 0;

  // In an open load a request is due at its time; a connection that is late for it makes its latency longer.
  const dueAtMs = (index: number) =>
    shape.kind === "open" ? startedAtMs + (index * 1_000) / shape.perSecond : performance.now();

  async function work({ send }: (typeof connections)[number]): Promise<void> {
    for (let request = requests[next]; request !== undefined; request = requests[next]) {
      const dueMs = dueAtMs(next);
      next += 1;
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) await sleep(earlyMs);
      const status = await send(request);
      latenciesMs[answered] = performance.now() - dueMs;
      answered += 1;
      if (answered === runUp) startedAtMs = performance.now();
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  }

  try {
    await Promise.all(connections.map(work));
    const seconds = (performance.now() - startedAtMs) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    return { seconds, statuses, latenciesMs, ownCpuSeconds: (user + system) / microsecondsPerSecond };
  } finally {
    for (const connection of connections) connection.close();
  }
}
