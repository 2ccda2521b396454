import { startServerProcess } from "./server-process.ts";
import type { Site } from "./site.ts";

type Tally = { calls: number; events: number; quantity: number };

export type StripeStandIn = {
  url: string;
  /** Its count since the last time; from now on it answers after `latencyMs`. */
  takeTally: (options?: { latencyMs: number }) => Promise<Tally>;
};

/** Starts a server that answers like Stripe and costs as little as one can. */
export async function startStripeStandIn(site: Site): Promise<StripeStandIn> {
  const { url } = await startServerProcess(site, {
    script: "scripts/bench/peers/stripe-stand-in.ts",
    env: (port) => ({ PORT: String(port) }),
  });
  let latencyMs = 0;
  return {
    url,
    takeTally: async (options = { latencyMs }) => {
      ({ latencyMs } = options);
      const answer = await fetch(`${url}/bench/tally`, { method: "POST", body: String(latencyMs) });
      return (await answer.json()) as Tally;
    },
  };
}
