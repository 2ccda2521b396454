import type { Context } from "hono";
import { bodyTooLarge } from "../http/body-too-large.ts";
import { problemOf } from "../http/failure.ts";
import { Problem } from "../http/problem.ts";
import type { ReadingsLimit } from "../http/rate-limit.ts";
import type { Log } from "../log.ts";
import { acceptLines, ndjsonBytesMax } from "./accept-lines.ts";
import type { IntakeDeps, IntakeResult } from "./accept-readings.ts";

export type LineDeps = IntakeDeps & { log: Log; readingsLimit?: ReadingsLimit | undefined };
type Caller = { organizationId: string; keyId: string; requestId: string };
type Chunks = AsyncGenerator<IntakeResult>;

/**
 * Answers readings that come one a line: with one JSON document at the end or, when `Accept` asks for it, with one line
 * for each, sent as soon as its chunk is committed. A problem before the first commit is answered like any other; after
 * it, it says what was taken in, or is the stream's last line.
 */
export async function answerLines(c: Context, deps: LineDeps, caller: Caller): Promise<Response> {
  if (Number(c.req.header("content-length") ?? 0) > ndjsonBytesMax) throw bodyTooLarge(ndjsonBytesMax);
  const accepted = acceptLines(deps, caller.organizationId, c.req.raw);
  const chunks =
    deps.readingsLimit === undefined ? accepted : chargeEach(accepted, deps.readingsLimit, caller.keyId);
  if (!asksForLines(c.req.header("accept"))) {
    const total = await addUp(chunks);
    return c.json(total, total.rejected === countOf(total) ? 422 : 200);
  }
  const first = await chunks.next();
  const lines = tellEach(startingWith(first, chunks), deps.log, caller);
  return c.body(streamOf(lines), 200, { "content-type": "application/x-ndjson" });
}

/** Charged as they come, so that the key's next request knows of them; this one is never stopped half-way. */
async function* chargeEach(chunks: Chunks, limit: ReadingsLimit, keyId: string): Chunks {
  for await (const chunk of chunks) {
    await limit.charge(keyId, countOf(chunk));
    yield chunk;
  }
}

function asksForLines(accept: string | undefined): boolean {
  return /(^|,)\s*application\/x-ndjson\s*(;|,|$)/i.test(accept ?? "");
}

async function addUp(chunks: Chunks): Promise<IntakeResult> {
  const total: IntakeResult = { accepted: 0, duplicates: 0, rejected: 0, results: [] };
  try {
    for await (const { accepted, duplicates, rejected, results } of chunks) {
      total.accepted += accepted;
      total.duplicates += duplicates;
      total.rejected += rejected;
      for (const result of results) total.results.push(result);
    }
  } catch (error) {
    if (countOf(total) === 0) throw error;
    throw interrupted(error, countOf(total), { ...total });
  }
  return total;
}

async function* startingWith(first: IteratorResult<IntakeResult>, rest: Chunks): Chunks {
  if (first.done !== true) yield first.value;
  yield* rest;
}

/** One line for each reading, in order; one last line when it cannot go on. */
async function* tellEach(chunks: Chunks, log: Log, { requestId }: Caller): AsyncGenerator<string> {
  let told = 0;
  try {
    for await (const chunk of chunks) {
      yield linesOf(chunk, told);
      told += countOf(chunk);
    }
  } catch (error) {
    const { fields, cause } = interrupted(error, told);
    const { status, code, detail } = fields;
    // The status has long been sent, so that nobody else hears of it.
    if (status >= 500) log.error({ event: "http_request_failed", code, request_id: requestId, error: cause });
    yield `${JSON.stringify({ status: "aborted", code, detail })}\n`;
  }
}

function linesOf({ results, ...counts }: IntakeResult, first: number): string {
  const resultByIndex = new Map(results.map((result) => [result.index, result]));
  const indexes = Array.from({ length: countOf(counts) }, (_, offset) => first + offset);
  return indexes
    .map((index) => `${JSON.stringify(resultByIndex.get(index) ?? { index, status: "accepted" })}\n`)
    .join("");
}

function interrupted(error: unknown, taken: number, members?: Readonly<Record<string, unknown>>): Problem {
  const { fields, cause } = problemOf(error);
  const detail = `${fields.detail} The ${taken} readings before were taken in; sending them again bills nothing twice.`;
  return new Problem({ ...fields, detail, ...(members !== undefined && { members }) }, { cause });
}

function countOf({ accepted, duplicates, rejected }: Omit<IntakeResult, "results">): number {
  return accepted + duplicates + rejected;
}

/**
 * Never waits for the client to read: one that sends everything first would wait for us, and we for it. What it leaves
 * unread is bounded by the readings that a body may have.
 */
function streamOf(lines: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream(
    {
      async pull(controller) {
        const next = await lines.next();
        if (next.done === true) controller.close();
        else controller.enqueue(encoder.encode(next.value));
      },
      async cancel() {
        await lines.return(undefined);
      },
    },
    { highWaterMark: Number.POSITIVE_INFINITY },
  );
}
