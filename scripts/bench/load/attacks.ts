import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";

/** One kind of hostile client: its requests, its number of connections, and whether it reads the answer. */
type Attack = { name: string; connections: number; request: Buffer; reads: boolean };

export type AttackedServer = { port: number; key: string };

const linesPerBomb = 100_000;
const blankBytes = 16 * 1_048_576;
const unknownFields = 80_000;
const strangerBytes = 1_000_000;
/** Of a body that never ends. */
const stalledBytes = 1_000_000;
/** Between two requests of a client, so that the machine is not busy with sending alone. */
const restMs = 5_000;

/** Attacks that were tried from outside and hurt. */
function attacksOn(key: string): Attack[] {
  const door = `Authorization: Bearer ${key}`;
  const lines = "Content-Type: application/x-ndjson";
  const gzip = "Content-Encoding: gzip";
  const open = Buffer.from("{\n".repeat(linesPerBomb));
  const fields = Array.from({ length: unknownFields }, (_, n) => `"u${n}":1`).join(",");
  const signature = `Stripe-Signature: t=${Math.floor(Date.now() / 1_000)},v1=${"00".repeat(32)}`;
  const readings = "/v1/readings";
  return [
    attack("packed lines, unread", 60, post(readings, [door, lines, gzip], gzipSync(open)), false),
    attack("lines, unread", 60, post(readings, [door, lines], open), false),
    attack(
      "packed blanks",
      10,
      post(readings, [door, lines, gzip], gzipSync(Buffer.alloc(blankBytes, "\n"))),
      true,
    ),
    attack(
      "unknown fields",
      10,
      post(readings, [door, "Content-Type: application/json"], Buffer.from(`{${fields}}`)),
      true,
    ),
    attack(
      "strangers",
      1_000,
      post("/v1/organizations", ["Content-Type: application/json"], Buffer.alloc(strangerBytes, " ")),
      true,
    ),
    attack(
      "webhooks that never end",
      200,
      post("/webhooks/stripe", [signature], Buffer.alloc(stalledBytes, " ")).subarray(0, -1),
      true,
    ),
  ];
}

/** Runs all of them together for so long. Returns how often each was answered, by status; 0 is no answer. */
export async function attackServer(
  { port, key }: AttackedServer,
  seconds: number,
): Promise<Record<string, Record<string, number>>> {
  const endsAtMs = performance.now() + seconds * 1_000;
  const counts: Record<string, Record<string, number>> = {};
  const clients = attacksOn(key).flatMap((one) => {
    const statuses: Record<string, number> = {};
    counts[one.name] = statuses;
    return Array.from({ length: one.connections }, async () => {
      while (performance.now() < endsAtMs) {
        const status = await sendOnce(port, one, endsAtMs);
        statuses[status] = (statuses[status] ?? 0) + 1;
        await sleep(Math.max(0, Math.min(restMs, endsAtMs - performance.now())));
      }
    });
  });
  await Promise.all(clients);
  return counts;
}

/** One request on a connection of its own; resolves when the server closes it, answers it, or time is up. */
function sendOnce(port: number, { request, reads }: Attack, endsAtMs: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ port, host: "127.0.0.1" });
  let received = "";
  const finish = () => {
    clearTimeout(timer);
    socket.destroy();
    resolve(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1] ?? "0");
  };
  const timer = setTimeout(finish, endsAtMs - performance.now());
  socket.on("error", finish);
  socket.on("close", finish);
  socket.write(request);
  if (!reads) return promise;
  socket.setEncoding("latin1");
  socket.on("data", (part: string) => {
    if (received === "") setImmediate(finish);
    received += part;
  });
  return promise;
}

function attack(name: string, connections: number, request: Buffer, reads: boolean): Attack {
  return { name, connections, request, reads };
}

function post(path: string, headers: readonly string[], body: Buffer): Buffer {
  const head = [`POST ${path} HTTP/1.1`, "Host: x", ...headers, `Content-Length: ${body.byteLength}`, "", ""];
  return Buffer.concat([Buffer.from(head.join("\r\n")), body]);
}
