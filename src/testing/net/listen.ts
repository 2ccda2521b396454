import { once } from "node:events";
import type { Server } from "node:net";

/** Lets a server listen on a free port of 127.0.0.1. Returns the port; the caller closes the server. */
export async function listen(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no port");
  return address.port;
}
