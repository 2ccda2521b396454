import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect } from "vitest";
import { adminToken, serviceTest as test } from "../../testing/fixtures/service-fixture.ts";
import { parseScrape } from "../../testing/net/scraped.ts";
import { signUp } from "../../testing/rows/customer.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

/** `FUZZ_REQUESTS` makes it more; another `FUZZ_SEED` makes other requests. */
const requests = Math.ceil(Number(process.env["FUZZ_REQUESTS"] ?? 2_000) / 10);
const seed = Number(process.env["FUZZ_SEED"] ?? 20_261_120);
const timeout = patienceMs(60_000 + requests * 100);
const answerWithinMs = 20_000;
/** Each of them on a connection of its own, one in ten of them slow. */
const clientsTogether = 20;
const slowMs = 50;
const runs = Math.ceil(requests / clientsTogether);
const growthMibMax = 100;
const mib = 1_048_576;

type Sent = { pieces: Buffer[]; pauseMs: number };

test(
  "whatever comes over the wire is answered, with no 5xx and no reset, and leaves nothing behind",
  { timeout },
  async ({ launch, account }) => {
    const api = launch("api");
    await api.started();
    const { id: customer } = await account.stripe.customers.create({ name: "Acme" });
    const { key } = await signUp(api.url(), { adminToken, customer });
    const port = Number(new URL(api.url()).port);

    // What a process loads and compiles for its first requests is no growth.
    await exchangeAll({ port, key }, { seed: seed + 1, numRuns: Math.ceil(runs / 10) });
    const before = await scrape(api.url());
    await exchangeAll({ port, key }, { seed, numRuns: runs });

    await expect.poll(async () => (await scrape(api.url())).heldBytes).toBe(0);
    expect(api.output()).not.toContain('"http_request_failed"');
    const after = await scrape(api.url());
    expect(after.memoryMib - before.memoryMib).toBeLessThan(growthMibMax);
  },
);

async function exchangeAll(
  { port, key }: { port: number; key: string },
  chosen: { seed: number; numRuns: number },
): Promise<void> {
  const together = fc.array(fitting(key).chain(broken), {
    minLength: clientsTogether,
    maxLength: clientsTogether,
  });
  await fc.assert(
    fc.asyncProperty(together, async (all) => {
      const answers = await Promise.all(all.map((sent) => exchange(port, sent)));
      for (const answer of answers) {
        expect(answer).toMatch(/^HTTP\/1\.1 (?:[234]\d\d|503 [^]*"overloaded")/);
        expect(answer).toMatch(/\r\nx-request-id: /i);
      }
    }),
    chosen,
  );
}

/** What the process holds for its clients, and its memory. */
async function scrape(url: string): Promise<{ heldBytes: number | undefined; memoryMib: number }> {
  const scraped = parseScrape(await (await fetch(`${url}/metrics`)).text());
  const memoryBytes =
    scraped['meter_outbox_process_resident_memory_bytes{process="api"}'] ?? Number.POSITIVE_INFINITY;
  return {
    heldBytes: scraped['meter_outbox_held_bytes{process="api"}'],
    memoryMib: Math.round(memoryBytes / mib),
  };
}

/** Requests with readings, some of them in order: JSON and lines, plain and packed, in one length or in chunks. */
function fitting(key: string): fc.Arbitrary<Buffer> {
  const reading = fc.record({
    sensor_id: fc.constantFrom("freezer-1", "b", "", "\0"),
    recorded_at: fc.constantFrom(new Date().toISOString(), "now", "2026-02-30T00:00:00Z"),
    temperature: fc.oneof(fc.double(), fc.constant("warm")),
  });
  return fc
    .record({
      readings: fc.array(reading, { maxLength: 30 }),
      form: fc.constantFrom("json", "x-ndjson"),
      isPacked: fc.boolean(),
      isChunked: fc.boolean(),
      token: fc.constantFrom(key, key, key, "mo_wrong", ""),
      path: fc.constantFrom("/v1/readings", "/v1/readings", "/v1/sensors", "/webhooks/stripe", "/v1/outbox"),
      accept: fc.constantFrom("*/*", "application/x-ndjson"),
    })
    .map(({ readings, form, isPacked, isChunked, token, path, accept }) => {
      const text =
        form === "json"
          ? JSON.stringify(readings)
          : readings.map((one) => `${JSON.stringify(one)}\n`).join("");
      const body = isPacked ? gzipSync(text) : Buffer.from(text);
      const head = [
        `POST ${path} HTTP/1.1`,
        "Host: x",
        `Authorization: Bearer ${token}`,
        `Content-Type: application/${form}`,
        `Accept: ${accept}`,
        ...(isPacked ? ["Content-Encoding: gzip"] : []),
        isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.byteLength}`,
      ].join("\r\n");
      return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), isChunked ? inChunks(body) : body]);
    });
}

function inChunks(body: Buffer): Buffer {
  if (body.byteLength === 0) return Buffer.from("0\r\n\r\n");
  const size = Buffer.from(`${body.byteLength.toString(16)}\r\n`);
  return Buffer.concat([size, body, Buffer.from("\r\n0\r\n\r\n")]);
}

/** The bytes as they are, or cut, or with others in their place; in one piece or in several. */
function broken(request: Buffer): fc.Arbitrary<Sent> {
  const place = fc.nat({ max: request.byteLength - 1 });
  const changed = fc.oneof(
    fc.constant(request),
    place.map((end) => request.subarray(0, end + 1)),
    fc
      .tuple(place, fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([at, bytes]) => Buffer.concat([request.subarray(0, at), bytes, request.subarray(at + 1)])),
    fc.constant(Buffer.concat([request, Buffer.from("\r\nmore")])),
  );
  const pause = fc.oneof(
    { weight: 9, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.constant(slowMs) },
  );
  return fc.tuple(changed, place, pause).map(([bytes, at, pauseMs]) => ({
    pieces: [bytes.subarray(0, at), bytes.subarray(at)].filter(({ byteLength }) => byteLength > 0),
    pauseMs,
  }));
}

/** Sends the pieces, a turn or a slow client's pause apart, ends its own side, and reads until the other side ends. A reset is an error. */
async function exchange(port: number, { pieces, pauseMs }: Sent): Promise<string> {
  const socket: Socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  let answer = "";
  socket.setEncoding("latin1").on("data", (part: string) => void (answer += part));
  const ended = once(socket, "end", { signal: AbortSignal.timeout(answerWithinMs) });
  for (const piece of pieces) {
    if (socket.writable) socket.write(piece);
    await (pauseMs === 0 ? nextTurn() : sleep(pauseMs));
  }
  socket.end();
  await ended;
  socket.destroy();
  return answer;
}
