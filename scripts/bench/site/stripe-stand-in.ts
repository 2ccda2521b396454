import { startServerProcess } from "./server-process.ts";
import type { Site } from "./site.ts";

type Tally = { calls: number; events: number; quantity: number };

/** It answers after `latencyMs`. Each answer of the number `faultEvery` is a 429 or is cut, in turns; none with 0. */
type Manner = { latencyMs: number; faultEvery?: number };

export type StripeStandIn = {
  url: string;
  pid: number;
  /** Its count since the last time; from now on it answers so. */
  takeTally: (manner?: Manner) => Promise<Tally>;
};

/**
 * V8 makes the space for young objects 1 MiB when a process idles. Stripe, which has others to answer, does not slow down
 * while nothing comes from us.
 */
const flags = ["--min-semi-space-size=32"];

/** Starts a server that answers like Stripe and costs as little as one can. */
export async function startStripeStandIn(site: Site): Promise<StripeStandIn> {
  const { url, pid } = await startServerProcess(site, {
    script: "scripts/bench/peers/stripe-stand-in.ts",
    flags,
    env: (port) => ({ PORT: String(port) }),
  });
  let manner: Manner = { latencyMs: 0 };
  return {
    url,
    pid,
    takeTally: async (next = manner) => {
      manner = next;
      const answer = await fetch(`${url}/bench/tally`, { method: "POST", body: JSON.stringify(manner) });
      return (await answer.json()) as Tally;
    },
  };
}
