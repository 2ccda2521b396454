import { randomBytes } from "node:crypto";
import { type ServerProcess, startServerProcess } from "../site/server-process.ts";
import type { Site } from "../site/site.ts";

const secretBytes = 24;

/** Starts the API as it is built, with its defaults. */
export function startApi(site: Site, databaseUrl: string): Promise<ServerProcess> {
  return startServerProcess(site, {
    script: "dist/api.js",
    env: (port) => ({
      DATABASE_URL: databaseUrl,
      HOST: "127.0.0.1",
      PORT: String(port),
      ADMIN_TOKEN: randomBytes(secretBytes).toString("hex"),
      STRIPE_WEBHOOK_SECRET: "whsec_bench",
    }),
  });
}
