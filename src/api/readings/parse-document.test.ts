import { setImmediate as nextLoop } from "node:timers/promises";
import { expect, test } from "vitest";
import { judgeReading } from "../../usage/reading.ts";
import { parseDocument } from "./parse-document.ts";

const readingsMax = 1_000;
const now = new Date("2026-11-20T12:00:00Z");
const reading = { sensor_id: "freezer-1", recorded_at: "2026-11-20T10:00:00Z", temperature: -18.4 };
const judge = (input: unknown) => judgeReading(input, now, { maxAgeDays: 365 });

function manyFields(count: number): Record<string, unknown> {
  return Object.fromEntries(Array.from({ length: count }, (_, n) => [`u${n}`, 1]));
}

test("the event loop is given back while a reading of 80,000 unknown fields is parsed", async () => {
  const parsing = parseDocument(JSON.stringify(manyFields(80_000)), readingsMax);
  const ended = parsing.then(() => true);
  let turns = 0;
  while (!(await Promise.race([ended, nextLoop(false)]))) turns += 1;
  expect(turns).toBeGreaterThan(2);
});

test("it is judged as if it had been parsed at once", async () => {
  const input = { ...manyFields(10_000), ...reading, temperature: "cold", ...manyFields(20_000) };
  const parsed = await parseDocument(JSON.stringify(input), readingsMax);
  expect(judge(parsed)).toEqual(judge(input));
  expect(judge(parsed)).toMatchObject({ kind: "invalid", faultsLeftOut: 19_991 });
});

test("the valid readings beside it stay as they are, wherever the list lies", async () => {
  for (const wrap of [(list: unknown[]) => list, (list: unknown[]) => ({ readings: list })]) {
    const document = wrap([reading, manyFields(20_000), reading]);
    const parsed = await parseDocument(JSON.stringify(document), readingsMax);
    expect(parsed).toMatchObject(wrap([reading, {}, reading]));
  }
});

test("the largest document of valid readings is parsed at once", () => {
  const long = { ...reading, sensor_id: ":".repeat(128) };
  const text = JSON.stringify({ readings: Array.from({ length: readingsMax }, () => long) }, null, 4);
  const plain = spyOnParse(() => void parseDocument(text, readingsMax));
  expect(plain).toEqual([text.length]);
});

test("more readings than are allowed are counted", async () => {
  const parsed = await parseDocument(
    JSON.stringify(Array.from({ length: 5_000 }, () => reading)),
    readingsMax,
  );
  expect(parsed).toHaveLength(5_000);
});

test("a document that is not JSON is refused, however long", async () => {
  const text = JSON.stringify(manyFields(20_000));
  await expect(parseDocument(text.slice(0, -1), readingsMax)).rejects.toThrow(SyntaxError);
  await expect(parseDocument(`${text},`, readingsMax)).rejects.toThrow(SyntaxError);
});

/** The lengths of the texts that are given to `JSON.parse` at once. */
function spyOnParse(run: () => void): number[] {
  const lengths: number[] = [];
  const parse = JSON.parse;
  JSON.parse = (text: string) => {
    lengths.push(text.length);
    return parse(text);
  };
  try {
    run();
  } finally {
    JSON.parse = parse;
  }
  return lengths;
}
