import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import { z } from "zod";
import {
  bodyInParts,
  ndjson,
  ndjsonTest as test,
  readingLine,
  readingLines,
} from "../../testing/net/ndjson-gateway.ts";
import { ndjsonBytesMax, ndjsonReadingsMax } from "./accept-lines.ts";

const detail: unknown = expect.any(String);
const gzip = { "content-encoding": "gzip" };
const nothing = { readings: 0, entries: 0 };

for (const [form, body] of [
  ["plain", readingLines(3)],
  ["without a newline at the end", readingLines(3).trimEnd()],
  ["with blank lines between", readingLines(3).replaceAll("\n", "\r\n \r\n\n")],
] as const) {
  test(`readings one a line, ${form}, are all taken in`, async ({ gateway }) => {
    const answer = await gateway.post(body);

    const counts = { accepted: 3, duplicates: 0, rejected: 0 };
    expect(answer).toEqual({ status: 200, body: { ...counts, results: [] } });
    expect(await gateway.countStored()).toEqual({ readings: 3, entries: 1 });
  });
}

test("lines may be compressed, with parameters in their media type", async ({ gateway }) => {
  const headers = { ...gzip, "content-type": `${ndjson}; charset=utf-8` };
  const answer = await gateway.post(gzipSync(readingLines(1_500)), headers);

  expect(answer).toMatchObject({ status: 200, body: { accepted: 1_500 } });
});

test("each chunk of a thousand readings is one entry", async ({ gateway }) => {
  expect(await gateway.post(readingLines(1_000))).toMatchObject({ body: { accepted: 1_000 } });
  expect(await gateway.countStored()).toEqual({ readings: 1_000, entries: 1 });

  expect(await gateway.post(readingLines(1_001, 1_000))).toMatchObject({ body: { accepted: 1_001 } });
  expect(await gateway.countStored()).toEqual({ readings: 2_001, entries: 3 });
});

test("results tell the readings' places over all chunks, blank lines not counted", async ({ gateway }) => {
  await gateway.post(readingLine(5));
  const { status, body } = await gateway.post(
    `\n${readingLines(999, 1_000)}\n\n{"sensor_id":\n${readingLine(5)}${readingLine(1_000)}` +
      readingLine(6, { sensor_id: "nobody" }) +
      readingLine(7, { temperature: "warm" }),
  );

  expect(status).toBe(200);
  expect(body).toMatchObject({ accepted: 999, duplicates: 2, rejected: 3 });
  expect(body["results"]).toEqual([
    {
      index: 999,
      status: "rejected",
      code: "invalid",
      detail: "reading is not valid JSON",
      errors: [{ pointer: "", code: "malformed_json", detail }],
    },
    { index: 1_000, status: "duplicate", code: "duplicate", detail },
    { index: 1_001, status: "duplicate", code: "duplicate", detail },
    { index: 1_002, status: "rejected", code: "unknown_sensor", detail },
    {
      index: 1_003,
      status: "rejected",
      code: "invalid",
      detail,
      errors: [{ pointer: "/temperature", code: "invalid", detail }],
    },
  ]);
});

test("readings that are sent again are duplicates, and no entry is written for them", async ({ gateway }) => {
  const body = readingLines(1_200);
  await gateway.post(body);

  expect(await gateway.post(body)).toMatchObject({ status: 200, body: { accepted: 0, duplicates: 1_200 } });
  expect(await gateway.countStored()).toEqual({ readings: 1_200, entries: 2 });
});

for (const [what, line] of [
  ["half an object", '{"sensor_id":"a"'],
  ["a word", "hello"],
  ["two readings", readingLine(1).trimEnd().repeat(2)],
  ["bytes that are no UTF-8", Buffer.from([0xff, 0xfe])],
  ["more characters than any reading has", `{"sensor_id":"${"a".repeat(4_096)}"}`],
] as const) {
  test(`a line that holds ${what} is invalid, and its neighbours are taken in`, async ({ gateway }) => {
    const body = Buffer.concat([readingLine(1), line, "\n", readingLine(2)].map((one) => Buffer.from(one)));
    const answer = await gateway.post(body);

    const counts = { accepted: 2, duplicates: 0, rejected: 1 };
    const results = [{ index: 1, status: "rejected", code: "invalid" }];
    expect(answer).toMatchObject({ status: 200, body: { ...counts, results } });
  });
}

test("lines that were all rejected are answered 422, in the same form", async ({ gateway }) => {
  const answer = await gateway.post("null\n{}\n");

  expect(answer).toMatchObject({ status: 422, body: { accepted: 0, duplicates: 0, rejected: 2 } });
  expect(await gateway.countStored()).toEqual(nothing);
});

for (const [what, body, headers, refusal] of [
  ["no line", "", {}, "400 invalid_request"],
  ["blank lines only", "\n \n", {}, "400 invalid_request"],
  ["what says gzip and is not", readingLine(1), gzip, "400 malformed_body"],
  ["another compression", readingLine(1), { "content-encoding": "br" }, "415 unsupported_encoding"],
  [
    "another media type",
    readingLine(1),
    { "content-type": "application/jsonl" },
    "415 unsupported_media_type",
  ],
  ["more than 16 MiB", `${readingLine(1)}${" ".repeat(ndjsonBytesMax)}`, {}, "413 body_too_large"],
  ["a gzip of 32 MiB", gzipSync(Buffer.alloc(2 * ndjsonBytesMax, " ")), gzip, "413 compressed_too_much"],
] as const) {
  for (const accept of ["*/*", ndjson]) {
    test(`${what} is refused like any other body, with Accept ${accept}`, async ({ gateway }) => {
      const answer = await gateway.post(body, { accept, ...headers });

      expect(`${answer.status} ${String(answer.body["code"])}`).toBe(refusal);
      expect(answer.body).not.toHaveProperty("accepted");
      expect(await gateway.countStored()).toEqual(nothing);
    });
  }
}

test("a line too many is refused, and says that those before it stay", async ({ gateway }) => {
  const body = `${readingLine(1)}${"null\n".repeat(ndjsonReadingsMax)}`;

  const { status, body: problem } = await gateway.post(body);
  expect(status).toBe(413);
  expect(problem).toMatchObject({ code: "too_many_readings", accepted: 1, rejected: 99_999 });
  expect(problem["detail"]).toContain(`The ${ndjsonReadingsMax} readings before were taken in`);
  expect(await gateway.countStored()).toEqual({ readings: 1, entries: 1 });

  const { lines } = await gateway.postForLines(body);
  expect(lines).toHaveLength(ndjsonReadingsMax + 1);
  expect(lines.at(0)).toMatchObject({ index: 0, status: "duplicate" });
  expect(lines.at(-1)).toEqual({ status: "aborted", code: "too_many_readings", detail });
});

test("a body that turns out to be too large says how much of it stays", async ({ gateway }) => {
  const body = new Blob([readingLines(1_000), " ".repeat(ndjsonBytesMax)]).stream();

  const answer = await gateway.post(body);
  expect(answer).toMatchObject({ status: 413, body: { code: "body_too_large", accepted: 1_000 } });
  expect(await gateway.countStored()).toEqual({ readings: 1_000, entries: 1 });
});

test("a compressed body that breaks off says how much of it stays, and may be sent again", async ({
  gateway,
}) => {
  const body = gzipSync(readingLines(5_000));

  const broken = await gateway.post(body.subarray(0, -9), gzip);
  expect(broken).toMatchObject({ status: 400, body: { code: "malformed_body" } });
  const accepted = Number(broken.body["accepted"]);
  expect(await gateway.countStored()).toEqual({ readings: accepted, entries: accepted / 1_000 });

  const { body: whole } = await gateway.post(body, gzip);
  expect(whole).toMatchObject({ accepted: 5_000 - accepted, duplicates: accepted });
});

test("an answer in lines has one for each reading, in order", async ({ gateway }) => {
  await gateway.post(readingLine(1));
  const body = `${readingLine(0)}${readingLine(1)}null\n${readingLines(999, 2)}`;
  const { status, lines } = await gateway.postForLines(body, { accept: `text/html, ${ndjson};q=0.9` });

  expect(status).toBe(200);
  expect(lines.map(({ index }) => index)).toEqual(Array.from({ length: 1_002 }, (_, index) => index));
  expect(lines.slice(0, 4)).toMatchObject([
    { index: 0, status: "accepted" },
    { index: 1, status: "duplicate", code: "duplicate" },
    { index: 2, status: "rejected", code: "invalid" },
    { index: 3, status: "accepted" },
  ]);
  expect(lines.at(0)).toEqual({ index: 0, status: "accepted" });
});

test("each chunk is answered once it is stored, while the next is still to come", async ({ gateway }) => {
  const { stream, send, end } = bodyInParts();
  const asked = gateway.ask(stream, { accept: ndjson });
  await send(readingLines(1_000));

  const reader = (await asked).body?.getReader();
  const decoder = new TextDecoder();
  expect(decoder.decode((await reader?.read())?.value).split("\n")).toHaveLength(1_001);
  expect(await gateway.countStored()).toEqual({ readings: 1_000, entries: 1 });

  await send(readingLine(1_000));
  await end();
  expect(decoder.decode((await reader?.read())?.value)).toBe('{"index":1000,"status":"accepted"}\n');
  expect(await reader?.read()).toEqual({ done: true, value: undefined });
});

test("of very many faulty lines each is told, a thousand with their faults, and the answer comes in pieces", async ({
  gateway,
}) => {
  const { status, body } = await gateway.post("{\n".repeat(3_000));

  expect({ status, rejected: body["rejected"] }).toEqual({ status: 422, rejected: 3_000 });
  const results = results3000.parse(body["results"]);
  expect(results.map(({ index }) => index)).toEqual(Array.from({ length: 3_000 }, (_, index) => index));
  expect(results.filter(({ errors }) => errors !== undefined)).toHaveLength(1_000);
  expect(results.slice(1_000).every((result) => result.errors_left_out === 1)).toBe(true);
  expect(results.every((result) => result.detail.startsWith("reading is not valid JSON"))).toBe(true);
});

const results3000 = z.array(
  z.object({
    index: z.int(),
    detail: z.string(),
    errors: z.array(z.unknown()).optional(),
    errors_left_out: z.int().optional(),
  }),
);
