import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonReader, type KeptJson } from "./json-reader.ts";

const dropped = Symbol("dropped");
const all: KeptJson = { fieldsMax: 1_000, names: new Set(), dropped, elementsMax: 1_000, depthMax: 1_000 };

function read(text: string, kept: Partial<KeptJson> = {}): unknown {
  const reader = new JsonReader(text, { ...all, ...kept });
  while (!reader.isDone) reader.step();
  return reader.value;
}

/** As a value, or as the kind of its failure. */
function outcomeOf(parse: () => unknown): unknown {
  try {
    return { value: parse() };
  } catch (error) {
    return { isSyntaxError: error instanceof SyntaxError };
  }
}

test("it takes the documents that JSON.parse takes, and reads them alike", () => {
  const values = fc.json({ maxDepth: 4 });
  const pieces = fc.oneof(
    fc.constantFrom(...Array.from('{}[],:"\\ \n\t-+.019eE')),
    fc.constantFrom("true", "false", "null", "1e999", "-0", "\u0000", "\u00a0", "\\u00e9", "\\ud800", "\\x"),
    fc.constantFrom('"__proto__":1', '"a":', "ü"),
  );
  const texts = fc.array(pieces, { maxLength: 12 }).map((some) => some.join(""));
  const spoilt = fc
    .tuple(values, fc.nat(), fc.nat(3), texts)
    .map(
      ([text, at, cut, put]) =>
        text.slice(0, at % (text.length + 1)) + put + text.slice((at % (text.length + 1)) + cut),
    );
  fc.assert(
    fc.property(fc.oneof(values, texts, spoilt), (text) => {
      expect(outcomeOf(() => read(text))).toStrictEqual(outcomeOf(() => JSON.parse(text)));
    }),
    { numRuns: 3_000 },
  );
});

test("of an object the first fields are kept, and those of some names, and the others counted", () => {
  const text = '{"a":1,"b":{"x":[]},"\\u0061":2,"c":[{}],"d":"}","t":3,"e":[1,2],"t":4}';
  const value = read(text, { fieldsMax: 2, names: new Set(["t"]) });
  expect(value).toEqual({ a: 1, b: { x: [] }, t: 4, [dropped]: 4 });
});

test("of a list the first elements are kept, and its length", () => {
  expect(read('[1,[2],{"a":3},[4,5],"6"]', { elementsMax: 2 })).toEqual([1, [2], null, null, null]);
});

test("what lies deeper than is kept is empty", () => {
  expect(read('{"a":{"b":{"c":1}},"d":[[2]]}', { depthMax: 1 })).toMatchObject({ a: {}, d: [] });
});

test.each([
  '{"a":1,"b":[1,}',
  '{"a":1,"b":{"c":tru}}',
  '{"a":1,"b":1,}',
  '{"a":1,"b":"\\x"}',
  '{"a":1,"b":01}',
])("%s is no JSON, although the fault is in what is dropped", (text) => {
  expect(() => read(text, { fieldsMax: 1 })).toThrow(SyntaxError);
});
