import type { Context } from "hono";
import { bodyTooLarge } from "../../http/body-too-large.ts";
import { apiProblemOf } from "../failure.ts";
import type { Hold } from "../../http/held-bytes.ts";
import { Problem } from "../../http/problem.ts";
import { nextTurn } from "../../http/turns.ts";
import type { ReadingsLimit } from "../../http/rate-limit.ts";
import type { Log } from "../../log.ts";
import { acceptLines, type MayStillWrite, ndjsonBytesMax } from "./accept-lines.ts";
import type { IntakeDeps } from "../../intake/accept-readings.ts";
import { heldBytesOf } from "./result-bytes.ts";
import { countOf, documentPieces, streamOf } from "./result-pieces.ts";
import { addRun, type IntakeResult } from "../../intake/result-runs.ts";
import { type Chunks, takenBefore, tellLines } from "./tell-lines.ts";

export type LineDeps = IntakeDeps & { log: Log; readingsLimit?: ReadingsLimit | undefined };
/** `hold` belongs to the answer: it lives until the client has taken all of it. */
type Caller = {
  organizationId: string;
  keyId: string;
  requestId: string;
  hold: Hold;
  mayStillWrite: MayStillWrite;
};

/**
 * Answers readings that come one a line: with one JSON document at the end or, when `Accept` asks for it, with one line
 * for each, sent as soon as its chunk is committed. A problem before the first commit is answered like any other; after
 * it, the problem says what was taken in, or is the stream's last line.
 */
export async function answerLines(c: Context, deps: LineDeps, caller: Caller): Promise<Response> {
  const { organizationId, keyId, requestId, hold, mayStillWrite } = caller;
  if (Number(c.req.header("content-length") ?? 0) > ndjsonBytesMax) throw bodyTooLarge(ndjsonBytesMax);
  // A hundred that waited for the look-up of one key would begin at once.
  await nextTurn();
  const accepted = acceptLines(deps, { organizationId, request: c.req.raw, hold, mayStillWrite });
  const chunks =
    deps.readingsLimit === undefined ? accepted : chargeEach(accepted, deps.readingsLimit, keyId);
  try {
    if (!asksForLines(c.req.header("accept"))) return await answerDocument(c, chunks, hold);
    const told = await tellLines(chunks, { hold, onFailed: logFailure(deps.log, requestId) });
    return c.body(told, 200, { "content-type": "application/x-ndjson" });
  } catch (error) {
    if (!(error instanceof Problem) || error.fields.write === undefined) hold.release();
    throw error;
  }
}

/** Charged as they come, so that the key's next request knows of them; this request is never stopped half-way. */
async function* chargeEach(chunks: Chunks, limit: ReadingsLimit, keyId: string): Chunks {
  for await (const chunk of chunks) {
    await limit.charge(keyId, countOf(chunk));
    yield chunk;
  }
}

function asksForLines(accept: string | undefined): boolean {
  return /(^|,)\s*application\/x-ndjson\s*(;|,|$)/i.test(accept ?? "");
}

async function answerDocument(c: Context, chunks: Chunks, hold: Hold): Promise<Response> {
  const { runs, ...counts } = await addUp(chunks, hold);
  const pieces = documentPieces(counts, runs);
  const status = counts.rejected === countOf(counts) ? 422 : 200;
  return c.body(
    streamOf(pieces, () => hold.release()),
    status,
    { "content-type": "application/json" },
  );
}

async function addUp(chunks: Chunks, hold: Hold): Promise<IntakeResult> {
  const total: IntakeResult = { accepted: 0, duplicates: 0, rejected: 0, runs: [] };
  try {
    for await (const chunk of chunks) {
      total.accepted += chunk.accepted;
      total.duplicates += chunk.duplicates;
      total.rejected += chunk.rejected;
      const added = chunk.runs.filter((run) => addRun(total.runs, run));
      hold.take(heldBytesOf(added));
    }
  } catch (error) {
    // Where no reading was taken in, there is nothing to tell.
    if (total.accepted + total.duplicates === 0) throw error;
    throw interrupted(error, total, hold);
  }
  return total;
}

/** The problem that ended it, and the counts of readings taken in before. */
function interrupted(error: unknown, { runs, ...counts }: IntakeResult, hold: Hold): Problem {
  const { fields, cause } = apiProblemOf(error);
  const detail = `${fields.detail} ${takenBefore(countOf(counts))}`;
  const write = (document: Readonly<Record<string, unknown>>) =>
    streamOf(documentPieces(document, runs), () => hold.release());
  return new Problem({ ...fields, detail, members: counts, write }, { cause });
}

/** The status has long been sent when lines fail, so the log is the only place to tell it. */
function logFailure(log: Log, requestId: string): (error: unknown) => void {
  return (error) => {
    const { fields, cause } = apiProblemOf(error);
    const { status, code } = fields;
    if (status >= 500)
      log.error({ event: "http_request_failed", status, code, request_id: requestId, error: cause });
  };
}
