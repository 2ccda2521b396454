import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";

/** A delivery that arrived: its bytes as they came, and the signature over them. */
type Received = { body: string; signature: string };

export type Receiver = {
  url: string;
  received: Received[];
  /** The ids of the events that arrived, in the order of their arrival. */
  eventIds: () => string[];
  types: () => string[];
  /** Statuses of the next answers; 200 when there is none left. */
  answerWith: (...statuses: number[]) => void;
  /** Takes requests and answers none of them until the returned function is called. */
  holdAnswers: () => () => void;
  stop: () => Promise<void>;
};

/** Starts a webhook receiver for tests, on a free port. */
export async function startReceiver({ delayMs = 0 }: { delayMs?: number } = {}): Promise<Receiver> {
  const received: Received[] = [];
  const statuses: number[] = [];
  let answering = Promise.resolve();
  const receive = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = await readBody(incoming);
    received.push({ body, signature: String(incoming.headers["stripe-signature"]) });
    await setTimeout(delayMs, undefined, { ref: false });
    await answering;
    outgoing.writeHead(statuses.shift() ?? 200).end();
  };
  const server = createServer((incoming, outgoing) => void receive(incoming, outgoing));
  await new Promise<void>((resolve) => {
    server.listen({ port: 0, host: "127.0.0.1" }, () => resolve());
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}/webhooks/stripe`,
    received,
    eventIds: () => received.map(({ body }) => fieldOf(body, "id")),
    types: () => received.map(({ body }) => fieldOf(body, "type")),
    answerWith: (...next) => statuses.push(...next),
    holdAnswers: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      answering = promise;
      return resolve;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function fieldOf(body: string, name: "id" | "type"): string {
  const event: unknown = JSON.parse(body);
  const fields = new Map(Object.entries(event ?? {}));
  return String(fields.get(name));
}
