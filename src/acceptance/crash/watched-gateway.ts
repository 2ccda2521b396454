import { EventEmitter, on } from "node:events";
import { createGateway, type Gateway, type GatewayOptions, type PostEnd } from "./gateway.ts";

export type WatchedGateway = {
  gateway: Gateway;
  /** Resolves at the gateway's next post that ends with this status. */
  untilAnswered: (status: number) => Promise<void>;
};

/** Creates a gateway whose posts a test waits for; `ends` grows with each of them. */
export function createWatchedGateway(
  options: Omit<GatewayOptions, "answers">,
  ends: PostEnd[],
): WatchedGateway {
  const answers = new EventEmitter().on("ended", (end: PostEnd) => ends.push(end));
  return {
    gateway: createGateway({ ...options, answers }),
    untilAnswered: (status) => untilEnd(answers, status),
  };
}

async function untilEnd(answers: EventEmitter, status: number): Promise<void> {
  for await (const [end] of on(answers, "ended") as AsyncIterable<[PostEnd]>) {
    if (end.status === status) return;
  }
}
