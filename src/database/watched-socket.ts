import { Socket } from "node:net";

/**
 * A connection to the database that ends itself when nothing came or went for `silenceMs`. A server that froze or
 * vanished does not run its own timeout, and the operating system waits for a quarter of an hour.
 */
export function createWatchedSocket(silenceMs: number): Socket {
  const socket = new Socket();
  // Begins with the driver's own words for a broken connection: callers treat both alike.
  const message = `Connection terminated: not a word from the database for ${silenceMs / 1_000} seconds`;
  return socket.setTimeout(silenceMs, () => socket.destroy(new Error(message)));
}
