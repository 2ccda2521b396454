import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { listen } from "./listen.ts";

export type RawRequest = { method: string; path: string; headers: IncomingHttpHeaders; body: string };

export type RawServer = { url: string; requests: RawRequest[] };

/** Answers a request, well or badly, or not at all; `response.socket` is the bare connection. */
export type RawAnswer = (response: ServerResponse) => void;

/** Starts a small HTTP server that answers every request as the test says, and ends with it. */
export async function serve(answer: RawAnswer): Promise<RawServer> {
  const requests: RawRequest[] = [];
  const server = createServer((request, response) => {
    const { method = "", url: path = "", headers } = request;
    const take = (body: string) => {
      requests.push({ method, path, headers, body });
      answer(response);
    };
    void text(request).then(take);
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${port}`, requests };
}

/** Answers in JSON, as Stripe does. */
export function json(status: number, body: unknown, headers: Record<string, string> = {}): RawAnswer {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", "request-id": "req_1", ...headers });
    response.end(JSON.stringify(body));
  };
}

/** Answers with one of Stripe's errors. */
export function refusal(
  status: number,
  error: { type?: string; code?: string; message: string },
  headers?: Record<string, string>,
): RawAnswer {
  return json(status, { error }, headers);
}
