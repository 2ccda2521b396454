import type { Hold } from "../../http/held-bytes.ts";
import { Problem } from "../../http/problem.ts";
import { readLines } from "../../http/read-lines.ts";
import { createTurns } from "../../http/turns.ts";
import { judgeReading, type ReadingLimits, type ReadingVerdict } from "../../usage/reading.ts";
import { allowFaults, type IntakeDeps, storeJudged } from "../../intake/accept-readings.ts";
import type { IntakeResult } from "../../intake/result-runs.ts";

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

/** Throws the problem to answer once the sender's key is revoked: lines may come for a minute. */
export type MayStillWrite = () => Promise<void>;

export type LinesRequest = {
  organizationId: string;
  request: Request;
  hold: Hold;
  mayStillWrite: MayStillWrite;
};

/**
 * Takes in a body of one reading a line, as it arrives: yields the results of each chunk of readings, in order, after
 * its own commit. `index` counts the readings of the whole body; a line that is not JSON is an `invalid` reading.
 * Throws the problem to answer; the chunks before it stay. A caller that stops asking stops the reading and the
 * storing.
 */
export async function* acceptLines(
  { now, limits, ...deps }: IntakeDeps,
  { organizationId, request, hold, mayStillWrite }: LinesRequest,
): AsyncGenerator<IntakeResult> {
  const allowance = allowFaults();
  let first = 0;
  hold.take(heldBytes);
  const lines = readLines(request, { bytesMax: ndjsonBytesMax, lineCharsMax });
  for await (const judged of chunksOf(lines, { now, limits })) {
    await mayStillWrite();
    yield await storeJudged(deps, organizationId, { judged, allowance, first });
    first += judged.length;
  }
}

/**
 * Judges the lines as they come, and gathers the verdicts. A chunk that has begun is judged before other bodies have
 * their turn: a hundred bodies would else have a hundred half chunks in memory.
 */
async function* chunksOf(
  pieces: AsyncIterable<Iterable<string>>,
  { now, limits }: Pick<IntakeDeps, "now" | "limits">,
): AsyncGenerator<ReadingVerdict[]> {
  let chunk: ReadingVerdict[] = [];
  let count = 0;
  const takeTurns = createTurns();
  for await (const lines of pieces) {
    const at = now();
    await takeTurns();
    for (const line of lines) {
      if (count === ndjsonReadingsMax) throw tooManyReadings();
      count += 1;
      chunk.push(judgeLine(line, at, limits));
      if (count % linesPerLook === 0) await takeTurns("first");
      if (chunk.length < readingsPerChunk) continue;
      yield chunk;
      chunk = [];
      await takeTurns();
    }
  }
  if (count === 0) throw noReading();
  if (chunk.length > 0) yield chunk;
}

// One object each for all such lines of a body: a chunk of a thousand of them would weigh half a megabyte.
const tooLong = notJson(`is longer than ${lineCharsMax} characters`);
const noJson = notJson("is not valid JSON");

function judgeLine(line: string, at: Date, limits: ReadingLimits): ReadingVerdict {
  if (line.length > lineCharsMax) return tooLong;
  // A parser's error costs as much as twenty readings, so obvious faults are found without it.
  if (line.startsWith("{") && !line.endsWith("}")) return noJson;
  let input: unknown;
  try {
    input = JSON.parse(line);
  } catch {
    return noJson;
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
