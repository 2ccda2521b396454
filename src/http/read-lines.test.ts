import { expect, test } from "vitest";
import { readLines } from "./read-lines.ts";

const limits = { bytesMax: 1_000, lineCharsMax: 10 };
const ofBytes = (text: string) => [...Buffer.from(text)].map((byte) => Uint8Array.of(byte));

/** The lines of a body that arrives in these pieces. */
async function linesOf(pieces: readonly (string | Uint8Array)[]): Promise<string[]> {
  const body = ReadableStream.from(pieces.map((piece) => Buffer.from(piece)));
  const request = new Request("http://localhost", { method: "POST", body, duplex: "half" });
  const lines: string[] = [];
  for await (const some of readLines(request, limits)) lines.push(...some);
  return lines;
}

test.each([
  ["in one piece", ["one\ntwo\n"]],
  ["byte for byte", ofBytes("one\ntwo\n")],
  ["without a newline after the last", ["one\nt", "wo"]],
  ["with blank lines between", ["\n\none\n \n\t\r\n", "\ntwo\n\n"]],
  ["with carriage returns", ["one\r", "\ntwo\r\n"]],
  ["with a byte order mark", ["\uFEFFone\ntwo"]],
  ["with more blanks before it than a line may have characters", [`one\n${" ".repeat(11)}`, " two\n"]],
])("two lines %s are two lines", async (_how, pieces) => {
  expect(await linesOf(pieces)).toEqual(["one", "two"]);
});

test("a body of blank lines, or of nothing, has no lines", async () => {
  expect(await linesOf(["\n \n"])).toEqual([]);
  expect(await linesOf([])).toEqual([]);
});

test("a character that is cut in two by the network is whole", async () => {
  expect(await linesOf(ofBytes("Wärme\n"))).toEqual(["Wärme"]);
});

test("bytes that are no UTF-8 spoil their own line only", async () => {
  expect(await linesOf([Uint8Array.of(0xff), "\ntwo"])).toEqual(["\uFFFD", "two"]);
});

test.each([
  ["in one piece", ["x".repeat(100)]],
  ["in many", ["x", "x".repeat(50), "x".repeat(49)]],
])("a line that is too long, %s, is cut to one character more than it may have", async (_how, pieces) => {
  expect(await linesOf([...pieces, "\ntwo"])).toEqual(["x".repeat(11), "two"]);
});

test.each([
  ["in one piece", ["one          two\n"]],
  ["with its end in another piece", ["one          two", "\n"]],
  ["without an end", ["one          two"]],
  ["cut between the blanks", ["one      ", "     ", "two", "\n"]],
  ["byte for byte", ofBytes("one          two\n")],
  ["with more after it", ["one          two", "    ", "    ", "\n"]],
])("a line that is too long by its blanks, %s, stays so", async (_how, pieces) => {
  const [line = "", ...others] = await linesOf(pieces);
  expect([line.length, others]).toEqual([limits.lineCharsMax + 1, []]);
});

test.each([
  ["in one piece", [`one${" ".repeat(20)}\n`]],
  ["in many", ["one   ", " ".repeat(20), "  \n"]],
  ["without an end", ["one", " ".repeat(20)]],
])("blanks after a line, %s, do not count", async (_how, pieces) => {
  expect(await linesOf(pieces)).toEqual(["one"]);
});

test("a body of more bytes than it may have is refused", async () => {
  await expect(linesOf(["one\n".repeat(251)])).rejects.toThrow("larger than 1000 bytes");
});
