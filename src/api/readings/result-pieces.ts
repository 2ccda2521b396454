import { createTurns } from "../../http/turns.ts";
import { type IntakeResult, type ResultRun, resultsOf } from "../../intake/result-runs.ts";

/** Results that are written at once: some tens of kilobytes. */
const resultsPerPiece = 1_000;

type Piece = string;

/**
 * Writes a JSON document whose last member is `results`, piece by piece: the members of `head` first. Of a hundred
 * thousand results, only the piece that the client takes next is in memory as text.
 */
export function* documentPieces(
  head: Readonly<Record<string, unknown>>,
  runs: readonly ResultRun[],
): Generator<Piece> {
  yield `${JSON.stringify(head).slice(0, -1)},"results":[`;
  let piece: string[] = [];
  let isFirst = true;
  for (const result of resultsOf(runs)) {
    piece.push(JSON.stringify(result));
    if (piece.length < resultsPerPiece) continue;
    yield `${isFirst ? "" : ","}${piece.join(",")}`;
    isFirst = false;
    piece = [];
  }
  yield `${isFirst || piece.length === 0 ? "" : ","}${piece.join(",")}]}`;
}

/** Writes one line for each reading of a chunk, in order; its first reading has the index `first`. */
export function linesPiece({ runs, ...counts }: IntakeResult, first: number): Piece {
  const results = resultsOf(runs);
  let next = results.next();
  const lines = Array.from({ length: countOf(counts) }, (_, offset) => {
    const index = first + offset;
    if (next.done === true || next.value.index !== index) return `{"index":${index},"status":"accepted"}\n`;
    const line = `${JSON.stringify(next.value)}\n`;
    next = results.next();
    return line;
  });
  return lines.join("");
}

/** The number of readings that the counts add up to. */
export function countOf({ accepted, duplicates, rejected }: Omit<IntakeResult, "runs">): number {
  return accepted + duplicates + rejected;
}

/**
 * A body that is made as the client reads it. `onEnd` is called once, also when the client goes away. The system takes
 * megabytes for a client that reads nothing, so the event loop is given back between pieces.
 */
export function streamOf(
  pieces: AsyncIterator<Piece> | Iterator<Piece>,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const takeTurns = createTurns();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await takeTurns();
        const next = await pieces.next();
        if (next.done !== true) {
          controller.enqueue(encoder.encode(next.value));
          return;
        }
        controller.close();
        onEnd();
      },
      async cancel() {
        onEnd();
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
