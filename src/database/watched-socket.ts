import { Socket } from "node:net";

/**
 * A connection to the database that breaks off when nothing came or went for `silenceMs`. A server that is frozen, or
 * gone without a word, ends no statement by its own timeout, and the operating system goes on hoping for a quarter of
 * an hour.
 */
export function createWatchedSocket(silenceMs: number): Socket {
  const socket = new Socket();
  // Begins as the driver's own words do when a connection breaks: to callers it is the same.
  const message = `Connection terminated: not a word from the database for ${silenceMs / 1_000} seconds`;
  return socket.setTimeout(silenceMs, () => socket.destroy(new Error(message)));
}
