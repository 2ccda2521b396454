import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { onTestFinished } from "vitest";
import { listen } from "./listen.ts";

export type RequestGate = {
  /** In place of the server's own. */
  url: string;
  /** How many requests wait. */
  held: () => number;
  /** Lets the waiting requests go on, and all others pass. */
  open: () => void;
};

/**
 * A way to a server on which requests for paths that begin with `path` wait until the test opens it, so that a test of
 * requests under way does not depend on milliseconds. Ends with the test.
 */
export async function holdRequests(serverUrl: string, path: string): Promise<RequestGate> {
  const opened = Promise.withResolvers<void>();
  let held = 0;
  async function wait(): Promise<void> {
    held += 1;
    await opened.promise;
    held -= 1;
  }
  const server = createServer((incoming, outgoing) => {
    const mayPass = incoming.url?.startsWith(path) === true ? wait() : Promise.resolve();
    void mayPass.then(() => pass(serverUrl, incoming, outgoing));
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${port}`, held: () => held, open: opened.resolve };
}

function pass(serverUrl: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  // The client has given up meanwhile.
  if (outgoing.destroyed) return;
  const { method, headers } = incoming;
  const onwards = request(new URL(incoming.url ?? "/", serverUrl), { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onwards.on("error", () => outgoing.destroy());
  incoming.pipe(onwards);
}
