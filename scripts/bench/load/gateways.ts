import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, openConnection } from "./connection.ts";

export type GatewaysOutcome = {
  /** How often each status was answered; `broken` is a connection that ended first. */
  statuses: Record<string, number>;
  /** Which requests were answered 200. */
  taken: number[];
  /** Milliseconds until each connection was open. */
  connectMs: number[];
};

export type GatewaysOptions = { port: number; connections: number; seconds: number; everyMs: number };

/** Many gateways on a connection each: every one sends its next request so long after the answer to its last. */
export async function runGateways(
  requests: readonly Buffer[],
  { port, connections, seconds, everyMs }: GatewaysOptions,
): Promise<GatewaysOutcome> {
  const outcome: GatewaysOutcome = { statuses: {}, taken: [], connectMs: [] };
  const endsAtMs = performance.now() + seconds * 1_000;
  const count = (status: string) => (outcome.statuses[status] = (outcome.statuses[status] ?? 0) + 1);
  let next = 0;

  async function connect(): Promise<Connection> {
    const startedAtMs = performance.now();
    const connection = await openConnection(port);
    outcome.connectMs.push(performance.now() - startedAtMs);
    return connection;
  }

  async function work(): Promise<void> {
    let connection = await connect();
    await sleep(Math.random() * everyMs);
    while (performance.now() < endsAtMs && next < requests.length) {
      const index = next;
      next += 1;
      const status = await connection.send(requests[index] ?? Buffer.alloc(0)).catch(() => "broken");
      count(String(status));
      if (status === 200) outcome.taken.push(index);
      if (status === "broken") {
        connection.close();
        connection = await connect();
      }
      await sleep(everyMs);
    }
    connection.close();
  }

  await Promise.all(Array.from({ length: connections }, work));
  return outcome;
}
