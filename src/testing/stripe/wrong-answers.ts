import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { listen } from "../net/listen.ts";

type Shape = { name: string; say: (response: ServerResponse) => void };

const megabyte = 1024 * 1024;
/** Sends a byte now and then, for ever. */
const dripMs = 40;

const json = (name: string, status: number, body: unknown): Shape => ({
  name: `${status} ${name}`,
  say: (response) => {
    response.writeHead(status, { "content-type": "application/json", location: "/elsewhere" });
    response.end(status === 204 ? undefined : JSON.stringify(body));
  },
});
const raw = (name: string, head: string, body: string | Buffer = ""): Shape => ({
  name,
  say: ({ socket }) =>
    void socket?.end(Buffer.concat([Buffer.from(`HTTP/1.1 ${head}\r\n\r\n`), Buffer.from(body)])),
});
const error = (name: string, status: number, fields: unknown) => json(name, status, { error: fields });
const type = "invalid_request_error";

/** Answers that are not Stripe's, or that tell nothing for certain. */
export const wrongAnswers: readonly Shape[] = [
  ...[302, 401, 403, 404, 429, 500, 503].flatMap((status) => [
    json("with {}", status, {}),
    json("with a gateway's message", status, { message: "Service Unavailable" }),
  ]),
  json("null", 200, null),
  json("text", 200, "fine"),
  json("list", 200, []),
  json("{}", 200, {}),
  json("another object", 200, { object: "customer", id: "cus_1" }),
  json("another meter event", 200, { object: "billing.meter_event", identifier: "of-somebody-else" }),
  json("no content", 204, undefined),
  error("error that is a text", 400, "bad_request"),
  error("error.message null", 400, { type, message: null }),
  error("error.message object", 400, { type, message: { text: "no" } }),
  error("error.message with U+0000", 500, { type: "api_error", message: "no\0thing" }),
  error("error in a 200", 200, { type, message: "odd" }),
  raw("200 html", "200 OK\r\ncontent-type: text/html\r\ncontent-length: 13", "<html></html>"),
  raw("200 empty", "200 OK\r\ncontent-length: 0"),
  raw("101", "101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other"),
  raw("103 and nothing else", "103 Early Hints"),
  raw("cut body", "200 OK\r\ncontent-length: 100", '{"object":'),
  raw("invalid content-length", "200 OK\r\ncontent-length: many", "{}"),
  raw(
    "gzip garbage",
    "200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4",
    Buffer.from([31, 139, 0, 255]),
  ),
  raw("5 MB", `200 OK\r\ncontent-length: ${5 * megabyte}`, Buffer.alloc(5 * megabyte, " ")),
  {
    name: "endless drip",
    say: (response) => {
      response.writeHead(200, { "content-length": megabyte }).flushHeaders();
      const timer = setInterval(() => response.write(" "), dripMs);
      response.once("close", () => clearInterval(timer));
    },
  },
];

export type WrongWay = {
  /** In place of the server's own. */
  url: string;
  /** How often each wrong answer was given, by its name. */
  given: ReadonlyMap<string, number>;
  /** Answers rightly from now on. */
  mend: () => void;
};

/**
 * A way to a server on which every answer is wrong, by turns for each customer in all ways there are, until it is
 * mended. Every other wrongly answered request reaches the server first, so that the answer does not show its effect.
 * Ends with the test.
 */
export async function answerWrongly(serverUrl: string): Promise<WrongWay> {
  const given = new Map<string, number>();
  const turns = new Map<string, number>();
  let isWrong = true;
  let requests = 0;

  function nextShape(body: string): Shape | undefined {
    const whose = /cus_\w+/.exec(body)?.[0] ?? "";
    if (!turns.has(whose)) turns.set(whose, turns.size);
    const turn = turns.get(whose) ?? 0;
    turns.set(whose, turn + 1);
    return wrongAnswers[turn % wrongAnswers.length];
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    requests += 1;
    const wrong = isWrong ? nextShape(body.toString()) : undefined;
    if (wrong !== undefined && requests % 2 === 0) return say(wrong, response);
    const { method = "GET", url = "/", headers } = request;
    const { "content-length": _length, connection: _connection, host: _host, ...sent } = headers;
    const answered = await fetch(new URL(url, serverUrl), {
      method,
      headers: Object.entries(sent).map(([name, value]) => [name, String(value)] as [string, string]),
      ...(method !== "GET" && { body }),
    });
    const text = await answered.text();
    if (wrong !== undefined) return say(wrong, response);
    response.writeHead(answered.status, { "content-type": "application/json" }).end(text);
  }

  function say(wrong: Shape, response: ServerResponse): void {
    given.set(wrong.name, (given.get(wrong.name) ?? 0) + 1);
    wrong.say(response);
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  const port = await listen(server);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${port}`, given, mend: () => void (isWrong = false) };
}
