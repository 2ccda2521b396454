import { Problem } from "../http/problem.ts";
import { readLines } from "../http/read-lines.ts";
import { judgeReading, type ReadingLimits, type ReadingVerdict } from "../usage/reading.ts";
import { type IntakeDeps, type IntakeResult, storeJudged } from "./accept-readings.ts";

export const ndjsonReadingsMax = 100_000;
export const ndjsonBytesMax = 16 * 1_048_576;
const readingsPerChunk = 1_000;
/** Many times what a reading needs, even with every character escaped. */
const lineCharsMax = 4_096;

/**
 * Takes in a body of one reading a line, as it arrives: yields what became of each chunk of readings, in order, after
 * its own commit. `index` counts the readings of the whole body; a line that is no JSON is one that is `invalid`.
 *
 * Throws the problem to answer; the chunks before it stay. Whoever stops asking stops the reading and the storing.
 */
export async function* acceptLines(
  { now, limits, ...deps }: IntakeDeps,
  organizationId: string,
  request: Request,
): AsyncGenerator<IntakeResult> {
  let index = 0;
  for await (const lines of chunksOf(readLines(request, { bytesMax: ndjsonBytesMax, lineCharsMax }))) {
    const at = now();
    const judged = lines.map((line) => judgeLine(line, at, limits));
    const first = index;
    index += lines.length;
    const chunk = await storeJudged(deps, organizationId, judged);
    const results = chunk.results.map((result) => ({ ...result, index: first + result.index }));
    yield { ...chunk, results };
  }
}

async function* chunksOf(batches: AsyncIterable<string[]>): AsyncGenerator<string[]> {
  let chunk: string[] = [];
  let count = 0;
  for await (const lines of batches) {
    for (const line of lines) {
      if (count === ndjsonReadingsMax) throw tooManyReadings();
      count += 1;
      chunk.push(line);
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
