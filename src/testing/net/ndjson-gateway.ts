import { request as httpRequest } from "node:http";
import { startServer } from "../../http/server.ts";
import { apiTest } from "../fixtures/api-fixture.ts";
import { createTestApi } from "../processes/api-app.ts";
import { countReadingsAndEntries } from "../rows/readings.ts";

export type LinesBody = string | Uint8Array<ArrayBuffer> | ReadableStream;

export const ndjson = "application/x-ndjson";

// Read once, so that a minute that ends during a test moves nothing in it.
const presentMinuteMs = Math.trunc(Date.now() / 60_000) * 60_000;

/** A reading of sensor `a` as a line of NDJSON: each number is another moment. */
export function readingLine(n: number, change: object = {}): string {
  const recorded_at = new Date(presentMinuteMs - n * 1_000).toISOString();
  return `${JSON.stringify({ sensor_id: "a", recorded_at, temperature: 20.5, ...change })}\n`;
}

/** So many readings, from the number on. */
export function readingLines(count: number, from = 0): string {
  return Array.from({ length: count }, (_, offset) => readingLine(from + offset)).join("");
}

/** A body that arrives as the test says. */
export function bodyInParts() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const encoder = new TextEncoder();
  return {
    stream: readable,
    send: (text: string) => writer.write(encoder.encode(text)),
    end: () => writer.close(),
    fail: () => writer.abort(new Error("the client is gone")),
  };
}

/** Vitest's `test` with a gateway that has a sensor and sends lines, without a socket or over one. */
export const ndjsonTest = apiTest.extend("gateway", async ({ api, database }, { onCleanup }) => {
  const { app, events } = createTestApi(database.as("api"), { adminToken: api.adminToken });
  const { key } = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: key });
  const authorization = `Bearer ${key}`;

  async function ask(body: LinesBody, headers: Record<string, string> = {}): Promise<Response> {
    const isStream = body instanceof ReadableStream;
    return app.request("/v1/readings", {
      method: "POST",
      body,
      headers: { authorization, "content-type": ndjson, ...headers },
      ...(isStream && { duplex: "half" }),
    });
  }
  async function post(body: LinesBody, headers?: Record<string, string>) {
    const response = await ask(body, headers);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }
  async function postForLines(body: LinesBody, headers: Record<string, string> = {}) {
    const response = await ask(body, { accept: ndjson, ...headers });
    return { status: response.status, lines: parseLines(await response.text()) };
  }
  const countStored = () => countReadingsAndEntries(database.pool);
  /** Serves on a port; the request is sent as the test says. */
  async function listen() {
    const server = await startServer(app, { host: "127.0.0.1", port: 0 });
    onCleanup(async () => void (await server.stop(0)));
    const open = (headers: Record<string, string> = {}) =>
      httpRequest({
        port: server.port,
        host: "127.0.0.1",
        path: "/v1/readings",
        method: "POST",
        headers: { authorization, "content-type": ndjson, accept: ndjson, ...headers },
      });
    return { ...server, open };
  }
  return { events, ask, post, postForLines, countStored, listen };
});

/** The JSON of each line of an answer. */
export function parseLines(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
