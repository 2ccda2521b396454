import { createTurns } from "../../http/turns.ts";
import { fieldsDropped, fieldsMax, readingSchema } from "../../usage/reading.ts";
import { JsonReader, type KeptJson } from "./json-reader.ts";

/** Of shorter documents the worst takes ten milliseconds or so. Most of a thousand readings are shorter, too. */
const plainCharsMax = 131_072;
const stepsPerLook = 500;
/** Ten quotes, three commas and a brace. */
const marksPerReading = 14;
/** Of `{"readings":[]}`. */
const marksAround = 5;
const isMark = new Uint8Array(128);
for (const mark of '",{[') isMark[mark.charCodeAt(0)] = 1;

/**
 * Parses a document of at most so many readings. One that holds more strings, lists and objects than valid readings
 * can is read piece by piece, and only the part is kept that its answer tells of: `JSON.parse` would hold the event
 * loop for a tenth of a second, of 80,000 unknown fields in 1 MiB. Throws a SyntaxError when it is not JSON.
 */
export async function parseDocument(text: string, readingsMax: number): Promise<unknown> {
  if (text.length <= plainCharsMax || isPlain(text, readingsMax)) return JSON.parse(text);
  const reader = new JsonReader(text, keptOf(readingsMax));
  const takeTurns = createTurns();
  while (!reader.isDone) {
    await takeTurns();
    for (let steps = 0; steps < stepsPerLook && !reader.isDone; steps += 1) reader.step();
  }
  return reader.value;
}

function isPlain(text: string, readingsMax: number): boolean {
  let left = readingsMax * marksPerReading + marksAround;
  for (let at = 0; at < text.length && left >= 0; at += 1) left -= isMark[text.charCodeAt(at)] ?? 0;
  return left >= 0;
}

function keptOf(readingsMax: number): KeptJson {
  return {
    fieldsMax,
    names: new Set(["readings", ...Object.keys(readingSchema.shape)]),
    dropped: fieldsDropped,
    elementsMax: readingsMax + 1,
    depthMax: 3,
  };
}
