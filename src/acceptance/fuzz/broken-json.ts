import fc from "fast-check";

/** Texts that may break a part between here and the disk. */
export const junkText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\u202e",
    "\uffff",
    "𝒳".repeat(201),
    "x".repeat(5_000),
  ),
  fc.constantFrom(
    "__proto__",
    "constructor",
    "null",
    "NaN",
    "-Infinity",
    "1e999",
    "'; drop table metering.readings; --",
    "${x}",
    "%s",
  ),
  fc.constantFrom(
    "2026-02-30T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999999-01-01T00:00:00Z",
    "2026-11-20T10:00Z",
    "2026-11-20",
    "0001-01-01T00:00:00+14:00",
    "infinity",
    "now",
  ),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.uuid(),
);

/** JSON values as JSON text; JavaScript values could not express some of them. */
const junkValue: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1e999",
    "-1e999",
    "1e-400",
    "9007199254740993",
    "123456789012345678901234567890",
    "-273.16",
    "0.1e1",
    "1E400",
  ),
  fc.constantFrom(
    "[]",
    "{}",
    '""',
    "[[]]",
    '{"__proto__": {"x": 1}}',
    '{"toJSON": 1}',
    '"\\ud800"',
    '"\\u0000"',
    "NaN",
    "Infinity",
    "undefined",
    "01",
    "'x'",
  ),
  fc.constantFrom(20, 2_000, 50_000).map((depth) => "[".repeat(depth) + "]".repeat(depth)),
  fc.constantFrom(500).map((depth) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`),
  junkText.map((text) => JSON.stringify(text)),
  fc.json({ maxDepth: 3 }),
);

const unknownName = fc.constantFrom(
  "extra",
  "__proto__",
  "constructor",
  "toString",
  "",
  "\0",
  "Name",
  "a/b~c",
  "x".repeat(2_000),
);

/** A JSON text with something wrong, missing or too much at one place. A text that is not JSON comes back unchanged. */
export function breakJson(text: string): fc.Arbitrary<string> {
  if (text.length > readableMax) return fc.constant(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return fc.constant(text);
  }
  const places = placesOf(value);
  return fc.constantFrom(...places).chain((place) =>
    fc.oneof(
      junkValue.map((junk) => written(value, place, () => junk)),
      fc
        .tuple(unknownName, junkValue)
        .map(([name, junk]) => written(value, place, (found) => withMember(found, name, junk))),
      fc.constant(written(value, place, () => undefined)),
      fc.constant(written(value, place, (found) => `[${found},${found}]`)),
    ),
  );
}

/** A text that was broken before may be longer, or nested deeper, than this code can follow. */
const readableMax = 20_000;
const depthMax = 10;

type Place = readonly (string | number)[];

function placesOf(value: unknown, place: Place = []): Place[] {
  if (typeof value !== "object" || value === null || place.length === depthMax) return [place];
  return [place, ...Object.entries(value).flatMap(([key, inner]) => placesOf(inner, [...place, key]))];
}

/** Writes the value as JSON, with one place changed, or left out where the change is undefined. */
function written(value: unknown, place: Place, change: (json: string) => string | undefined): string {
  const [key, ...rest] = place;
  if (key === undefined) return change(JSON.stringify(value)) ?? "";
  const write = (name: string | number, inner: unknown) =>
    String(name) === String(key) ? writtenOrGone(inner, rest, change) : JSON.stringify(inner);
  if (Array.isArray(value)) {
    const elements = value.map((inner: unknown, index) => write(index, inner));
    return `[${elements.filter((json) => json !== undefined).join(",")}]`;
  }
  const members = Object.entries(value as object).map(([name, inner]) => {
    const json = write(name, inner);
    return json === undefined ? undefined : `${JSON.stringify(name)}:${json}`;
  });
  return `{${members.filter((json) => json !== undefined).join(",")}}`;
}

function writtenOrGone(
  value: unknown,
  place: Place,
  change: (json: string) => string | undefined,
): string | undefined {
  return place.length === 0 ? change(JSON.stringify(value)) : written(value, place, change);
}

function withMember(json: string, name: string, junk: string): string {
  const member = `${JSON.stringify(name)}:${junk}`;
  if (json === "{}" || !json.startsWith("{")) return `{${member}}`;
  return `{${member},${json.slice(1)}`;
}
