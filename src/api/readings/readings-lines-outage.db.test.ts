import { once } from "node:events";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import {
  bodyInParts,
  ndjson,
  ndjsonTest as test,
  parseLines,
  readingLines,
} from "../../testing/net/ndjson-gateway.ts";
import { countWaitingForLocks, endWaitingForLocks, holdOpen } from "../../testing/postgres/locks.ts";
import { ndjsonReadingsMax } from "./accept-lines.ts";

const detail: unknown = expect.any(String);

test("a hundred thousand lines are answered, also to a client that reads nothing before all is sent", async ({
  gateway,
}) => {
  const server = await gateway.listen();
  const request = server.open();
  const answered = once(request, "response");
  for (let from = 0; from < ndjsonReadingsMax; from += 1_000) {
    if (!request.write(readingLines(1_000, from))) await once(request, "drain");
  }
  request.end();
  await once(request, "finish");
  const [response] = (await answered) as [Readable];
  const lines = parseLines(await text(response));

  expect(lines).toHaveLength(ndjsonReadingsMax);
  expect(lines.every((line, index) => line["index"] === index && line["status"] === "accepted")).toBe(true);
  expect(await gateway.countStored()).toEqual({ readings: ndjsonReadingsMax, entries: 100 });
});

test("no more than the next chunk is read while one is being stored", async ({ gateway, database }) => {
  let sent = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode(readingLines(100, sent)));
      sent += 100;
      if (sent === 10_000) controller.close();
    },
  });
  const release = await holdOpen(database.pool, "lock table metering.readings in share mode");
  const answer = gateway.post(body);
  try {
    await expect.poll(() => countWaitingForLocks(database.pool)).toBe(1);

    expect(sent).toBeLessThan(2_000);
  } finally {
    await release();
  }
  expect(await answer).toMatchObject({ status: 200, body: { accepted: 10_000 } });
});

for (const accept of ["application/json", ndjson]) {
  test(`a database that goes away in the middle is told, with Accept ${accept}`, async ({
    gateway,
    database,
  }) => {
    const { stream, send, end } = bodyInParts();
    const asked = gateway.ask(stream, { accept });
    await send(readingLines(1_000));
    await expect.poll(gateway.countStored).toEqual({ readings: 1_000, entries: 1 });

    const release = await holdOpen(database.pool, "lock table metering.readings in share mode");
    try {
      await send(readingLines(1_000, 1_000));
      await end();
      await expect.poll(() => endWaitingForLocks(database.pool)).toBe(1);
      const response = await asked;
      const told = parseLines(await response.text());

      const problem = { code: "outcome_unknown", accepted: 1_000, duplicates: 0, rejected: 0, results: [] };
      const aborted = { status: "aborted", code: "outcome_unknown", detail };
      const isInLines = accept === ndjson;
      expect({ status: response.status, told: told.slice(isInLines ? 1_000 : 0) }).toMatchObject(
        isInLines ? { status: 200, told: [aborted] } : { status: 503, told: [problem] },
      );
      expect(gateway.events).toContainEqual(
        expect.objectContaining({ event: "http_request_failed", status: 503, code: "outcome_unknown" }),
      );
    } finally {
      await release();
    }
    expect(await gateway.post(readingLines(2_000))).toMatchObject({
      body: { accepted: 1_000, duplicates: 1_000 },
    });
  });

  test(`what a client sent before it went away stays, and no more, with Accept ${accept}`, async ({
    gateway,
  }) => {
    const server = await gateway.listen();
    const request = server.open({ accept });
    request.on("error", () => {});
    request.write(readingLines(1_500));
    await expect.poll(gateway.countStored).toEqual({ readings: 1_000, entries: 1 });
    request.destroy();

    expect(await server.stop(10_000)).toEqual({ cut: false });
    expect(await gateway.countStored()).toEqual({ readings: 1_000, entries: 1 });
    expect(gateway.events.filter(({ event }) => event === "http_request_failed")).toEqual([]);
  });
}

test("a client that goes away while a chunk is being stored leaves that chunk, and no more", async ({
  gateway,
  database,
}) => {
  const server = await gateway.listen();
  const request = server.open();
  request.on("error", () => {});
  request.write(readingLines(1_000));
  await once(request, "response");
  const release = await holdOpen(database.pool, "lock table metering.readings in share mode");
  try {
    request.write(readingLines(1_500, 1_000));
    await expect.poll(() => countWaitingForLocks(database.pool)).toBe(1);
    request.destroy();
    await once(request, "close");
  } finally {
    await release();
  }

  await expect.poll(gateway.countStored).toEqual({ readings: 2_000, entries: 2 });
  expect(await server.stop(10_000)).toEqual({ cut: false });
  expect(await gateway.countStored()).toEqual({ readings: 2_000, entries: 2 });
  expect(gateway.events.filter(({ event }) => event === "http_request_failed")).toEqual([]);
});

test("a body that breaks off in the middle ends the lines with the reason", async ({ gateway }) => {
  const { stream, send, fail } = bodyInParts();
  const asked = gateway.ask(stream, { accept: ndjson });
  await send(readingLines(1_000));
  const response = await asked;
  await fail();

  const lines = parseLines(await response.text());
  expect(lines.slice(1_000)).toEqual([{ status: "aborted", code: "malformed_body", detail }]);
  expect(gateway.events.filter(({ event }) => event === "http_request_failed")).toEqual([]);
});
