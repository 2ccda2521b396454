import { createServer, type IncomingHttpHeaders } from "node:http";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { type CollectedSpan, spansOf } from "./spans.ts";
import { listen } from "../net/listen.ts";

/** The exports that an OpenTelemetry collector would receive over OTLP/HTTP. */
export type Collector = {
  url: string;
  /** Each export as it came, answered or not. */
  exports: { path: string; headers: IncomingHttpHeaders; body: Buffer }[];
  spans: () => CollectedSpan[];
  /** How later exports are answered; the unanswered ones stay so. */
  answerWith: (status: number | "never") => void;
};

/** Starts a collector that answers 200, or as told, and ends with the test. */
export async function startCollector(first: number | "never" = 200): Promise<Collector> {
  const exports: Collector["exports"] = [];
  let answer = first;
  const server = createServer((request, response) => {
    const take = (body: Buffer) => {
      exports.push({ path: request.url ?? "", headers: request.headers, body });
      if (answer !== "never") response.writeHead(answer).end();
    };
    void buffer(request).then(take);
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${port}`,
    exports,
    spans: () => exports.flatMap(({ body }) => spansOf(body)),
    answerWith: (status) => {
      answer = status;
    },
  };
}
