import type { IntakeResult, ReadingResult } from "../../intake/accept-readings.ts";

/** Results that are written at once: some tens of kilobytes. */
const resultsPerPiece = 1_000;

type Piece = string;

/**
 * Writes a JSON document whose last member is `results`, piece by piece: the members of `head` first. Of a hundred
 * thousand results no more is in memory as text than the client takes.
 */
export function* documentPieces(
  head: Readonly<Record<string, unknown>>,
  results: readonly ReadingResult[],
): Generator<Piece> {
  yield `${JSON.stringify(head).slice(0, -1)},"results":[`;
  for (let at = 0; at < results.length; at += resultsPerPiece) {
    const piece = results.slice(at, at + resultsPerPiece).map((result) => JSON.stringify(result));
    yield `${at === 0 ? "" : ","}${piece.join(",")}`;
  }
  yield "]}";
}

/** Writes one line for each reading of a chunk, in order, whose first reading has the index `first`. */
export function* linePieces({ results, ...counts }: IntakeResult, first: number): Generator<Piece> {
  const resultByIndex = new Map(results.map((result) => [result.index, result]));
  const end = first + countOf(counts);
  for (let at = first; at < end; at += resultsPerPiece) {
    const length = Math.min(resultsPerPiece, end - at);
    const lines = Array.from({ length }, (_, offset) => {
      const index = at + offset;
      return `${JSON.stringify(resultByIndex.get(index) ?? { index, status: "accepted" })}\n`;
    });
    yield lines.join("");
  }
}

/** How many readings the counts are about. */
export function countOf({ accepted, duplicates, rejected }: Omit<IntakeResult, "results">): number {
  return accepted + duplicates + rejected;
}

/** A body that is made as the client reads it. `onEnd` is called once, also when the client goes away. */
export function streamOf(
  pieces: AsyncIterator<Piece> | Iterator<Piece>,
  onEnd: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
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
