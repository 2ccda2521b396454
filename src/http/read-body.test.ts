import { gzipSync } from "node:zlib";
import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { HeldBytes } from "./held-bytes.ts";
import { readBody, readBodyChunks } from "./read-body.ts";

const bytesMax = 1_048_576;

/** A body that comes in these pieces, without saying how long it is. */
function request(pieces: readonly Uint8Array[], headers: Record<string, string> = {}): Request {
  const body = ReadableStream.from(pieces);
  return new Request("http://localhost", { method: "POST", body, duplex: "half", headers });
}

const inPieces = (text: string, length: number) =>
  (text.match(new RegExp(`[^]{1,${length}}`, "g")) ?? []).map((piece) => Buffer.from(piece));

test("a body is counted while it is held, whatever it comes in", async () => {
  const held = new HeldBytes();
  const hold = held.begin();
  const text = "x".repeat(40_000);
  expect(await readBody(request(inPieces(text, 7)), { bytesMax, hold })).toBe(text);
  expect(held.bytes).toBeGreaterThanOrEqual(40_000);
  expect(held.bytes).toBeLessThan(60_000);
});

test("a body of large and small pieces is put together in order, and large ones are held as they are", async () => {
  const held = new HeldBytes();
  const pieces = [40_000, 3, 50_000, 20_000, 7].map((bytes, n) =>
    Buffer.from(new Uint8Array(bytes).fill("a".charCodeAt(0) + n).buffer),
  );
  const text = await readBody(request(pieces), { bytesMax, hold: held.begin() });
  expect(text).toBe(Buffer.concat(pieces).toString());
  expect(held.bytes).toBeGreaterThanOrEqual(text.length);
  expect(held.bytes).toBeLessThan(2 * text.length);
});

test("a body that announces its length is counted before it is read", async () => {
  const held = new HeldBytes(100);
  const announced = new Request("http://localhost", {
    method: "POST",
    body: "x".repeat(101),
    headers: { "content-length": "101" },
  });
  await expect(readBody(announced, { bytesMax, hold: held.begin() })).rejects.toThrow("HELD_BYTES_MAX");
  expect(announced.bodyUsed).toBe(false);
});

test("a body for which there is no room is refused, and no more of it is read", async () => {
  const held = new HeldBytes(20_000);
  const sent = { pieces: 0 };
  async function* endless() {
    for (; sent.pieces < 1_000; sent.pieces += 1) yield Buffer.alloc(1_000, "x");
  }
  const body = ReadableStream.from(endless());
  const flood = new Request("http://localhost", { method: "POST", body, duplex: "half" });
  await expect(readBody(flood, { bytesMax, hold: held.begin() })).rejects.toThrow("HELD_BYTES_MAX");
  expect(sent.pieces).toBeLessThan(25);
});

test.each([
  ["blank lines", "\n".repeat(900_000)],
  ["the same line again and again", "{\n".repeat(450_000)],
])("a gzip of %s, which unpacks to a thousand times its size, is refused early", async (_what, text) => {
  const held = new HeldBytes();
  const packed = request([gzipSync(text)], { "content-encoding": "gzip" });
  await expect(readBody(packed, { bytesMax, hold: held.begin() })).rejects.toMatchObject({
    fields: { status: 413, code: "compressed_too_much" },
  });
  expect(held.bytes).toBeLessThan(200_000);
});

test("a gzip of readings, and a short one of anything, is taken", async () => {
  const readings = Array.from(
    { length: 5_000 },
    (_, n) =>
      `{"sensor_id":"freezer-1","recorded_at":"${new Date(n * 1_000).toISOString()}","temperature":-18.4}`,
  ).join("\n");
  for (const text of [readings, " ".repeat(60_000)]) {
    const packed = request([gzipSync(text)], { "content-encoding": "gzip" });
    expect(await readBody(packed, { bytesMax, hold: new HeldBytes().begin() })).toBe(text);
  }
});

test("a gzip that is refused while more of it comes ends in its refusal, and in no error that nobody catches", async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown) => void uncaught.push(error);
  process.on("uncaughtException", note);
  onTestFinished(() => void process.off("uncaughtException", note));
  const packed = gzipSync(Buffer.alloc(4 * 1_048_576, "\n"));

  async function readSlowly(): Promise<void> {
    const flood = request([packed, packed, packed], { "content-encoding": "gzip" });
    for await (const chunk of readBodyChunks(flood, { bytesMax })) if (chunk.byteLength > 0) await nextTurn();
  }
  for (let turn = 0; turn < 5; turn += 1) {
    const refusals = await Promise.allSettled([1, 2, 3, 4].map(readSlowly));
    expect(refusals.map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
  }
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  expect(uncaught).toEqual([]);
});

test.each([
  ["cut off", (bytes: Buffer) => bytes.subarray(0, -5)],
  ["followed by something else", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("more")])],
  ["none", () => Buffer.from("{}")],
])("a gzip that is %s is malformed", async (_what, spoil) => {
  const body = request([spoil(gzipSync("{}"))], { "content-encoding": "gzip" });
  const reading = readBody(body, { bytesMax, hold: new HeldBytes().begin() });
  await expect(reading).rejects.toMatchObject({ fields: { status: 400, code: "malformed_body" } });
});

test("of large bodies that are whole together one goes on in a turn of the event loop", async () => {
  const read = { bodies: 0 };
  const bodies = Array.from({ length: 5 }, async () => {
    await readBody(request([Buffer.alloc(100_000, "x")]), { bytesMax, hold: new HeldBytes().begin() });
    read.bodies += 1;
  });
  while (read.bodies < 5) {
    const before = read.bodies;
    await nextTurn();
    expect(read.bodies - before).toBeLessThanOrEqual(1);
  }
  await Promise.all(bodies);
});
