import type { Hold } from "../../http/held-bytes.ts";
import { Problem } from "../../http/problem.ts";
import { readLines } from "../../http/read-lines.ts";
import { createTurns } from "../../http/turns.ts";
import { judgeReading, type ReadingLimits, type ReadingVerdict } from "../../usage/reading.ts";
import { allowFaults, type IntakeDeps, storeJudged } from "../../intake/accept-readings.ts";
import { foldResults, type LinesResult } from "./result-runs.ts";

export const ndjsonReadingsMax = 100_000;
export const ndjsonBytesMax = 16 * 1_048_576;
const readingsPerChunk = 1_000;
/** After this many lines it checks whether other work has waited long enough. */
const linesPerLook = 50;
/** Many times the length of a reading, even with every character escaped. */
const lineCharsMax = 4_096;
/**
 * Such a request has this much in memory at a time, however long it is: a piece of its body, and a chunk of readings.
 */
const heldBytes = 262_144;

export type LinesRequest = { organizationId: string; request: Request; hold: Hold };

/**
 * Takes in a body of one reading a line, as it arrives: yields the results of each chunk of readings, in order, after
 * its own commit. `index` counts the readings of the whole body; a line that is not JSON is an `invalid` reading.
 * Throws the problem to answer; the chunks before it stay. A caller that stops asking stops the reading and the
 * storing.
 */
export async function* acceptLines(
  { now, limits, ...deps }: IntakeDeps,
  { organizationId, request, hold }: LinesRequest,
): AsyncGenerator<LinesResult> {
  const allowance = allowFaults();
  let index = 0;
  hold.take(heldBytes);
  const lines = readLines(request, { bytesMax: ndjsonBytesMax, lineCharsMax });
  for await (const judged of chunksOf(lines, (line) => judgeLine(line, now(), limits))) {
    const first = index;
    index += judged.length;
    const chunk = await storeJudged(deps, organizationId, { judged, allowance });
    yield foldResults(chunk, first);
  }
}

/** Judges the lines as they come, and gathers the results. */
async function* chunksOf(
  pieces: AsyncIterable<Iterable<string>>,
  judge: (line: string) => ReadingVerdict,
): AsyncGenerator<ReadingVerdict[]> {
  let chunk: ReadingVerdict[] = [];
  let count = 0;
  const takeTurns = createTurns();
  for await (const lines of pieces) {
    for (const line of lines) {
      if (count === ndjsonReadingsMax) throw tooManyReadings();
      count += 1;
      chunk.push(judge(line));
      if (count % linesPerLook === 0) await takeTurns();
      if (chunk.length < readingsPerChunk) continue;
      yield chunk;
      chunk = [];
    }
  }
  if (count === 0) throw noReading();
  if (chunk.length > 0) yield chunk;
}

function judgeLine(line: string, at: Date, limits: ReadingLimits): ReadingVerdict {
  if (line.length > lineCharsMax) return notJson(`is longer than ${lineCharsMax} characters`);
  // A parser's error costs as much as twenty readings, so obvious faults are found without it.
  if (line.startsWith("{") && !line.endsWith("}")) return notJson("is not valid JSON");
  let input: unknown;
  try {
    input = JSON.parse(line);
  } catch {
    return notJson("is not valid JSON");
  }
  return judgeReading(input, at, limits);
}

function notJson(detail: string): ReadingVerdict {
  return { kind: "invalid", faults: [{ pointer: "", code: "malformed_json", detail }] };
}

function tooManyReadings(): Problem {
  const detail = `At most ${ndjsonReadingsMax} readings may be sent at once.`;
  return new Problem({ status: 413, code: "too_many_readings", detail });
}

function noReading(): Problem {
  const errors = [{ pointer: "", code: "empty", detail: "holds no reading" }];
  return new Problem({ status: 400, code: "invalid_request", detail: "body: holds no reading", errors });
}
