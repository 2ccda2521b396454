import { getConnInfo } from "@hono/node-server/conninfo";
import type { Context } from "hono";

/**
 * The address that the connection comes from, for counting by it: behind a proxy it is the proxy's. Of an IPv6 address
 * only the network counts, since one host has all of it. Headers that name another address are not believed.
 */
export function clientAddress(c: Context): string {
  // Without a socket, as in tests, there is no address.
  const address = hasSocket(c.env) ? getConnInfo(c).remote.address : undefined;
  if (address === undefined) return "unknown";
  const isMapped = address.startsWith("::ffff:");
  return isMapped || !address.includes(":") ? address : address.split(":").slice(0, 4).join(":");
}

function hasSocket(env: unknown): boolean {
  return typeof env === "object" && env !== null && "incoming" in env;
}
