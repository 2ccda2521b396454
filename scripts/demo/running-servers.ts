import { z } from "zod";
import type { Servers } from "./bill-replay.ts";
import { simulatorAt } from "./stripe-side.ts";

const environmentSchema = z.object({
  API_URL: z.url(),
  ADMIN_TOKEN: z.string().min(1),
  DATABASE_URL: z.string().min(1),
  /** The simulator: the replay gives it meters and customers, which it would not do to anybody's account. */
  STRIPE_API_BASE: z.url(),
});

export type ServersRead = { kind: "known"; servers: Servers } | { kind: "unknown"; faults: string[] };

/** Reads where servers run that somebody else started, with a simulator and a worker among them. */
export function readRunningServers(env: Record<string, string | undefined>): ServersRead {
  const read = environmentSchema.safeParse(env);
  if (!read.success) {
    return {
      kind: "unknown",
      faults: read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`),
    };
  }
  const { API_URL: apiUrl, ADMIN_TOKEN: adminToken, DATABASE_URL: databaseUrl, STRIPE_API_BASE } = read.data;
  const stripe = simulatorAt(withoutSlash(STRIPE_API_BASE));
  const startWorker = async () => {};
  return {
    kind: "known",
    servers: { apiUrl: withoutSlash(apiUrl), adminToken, databaseUrl, stripe, startWorker },
  };
}

function withoutSlash(url: string): string {
  return url.replace(/\/$/, "");
}
