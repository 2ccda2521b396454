import { apiProblemOf } from "../failure.ts";
import type { Hold } from "../../http/held-bytes.ts";
import { heldBytesOf } from "./result-bytes.ts";
import { countOf, linesPiece, streamOf } from "./result-pieces.ts";
import type { IntakeResult } from "../../intake/result-runs.ts";

export type Chunks = AsyncGenerator<IntakeResult>;

/** The bytes of a chunk beside its runs. */
const chunkBytes = 256;

type TellOptions = {
  /** Counts results that were not sent yet; released at the end. */
  hold: Hold;
  /** Called with the error that ended the lines early, for the log. */
  onFailed: (error: unknown) => void;
};

/**
 * Sends the result of each reading, one line each, as soon as its chunk is committed; one last line when it cannot go
 * on. A client that sends everything before it reads is served: readings are taken in without waiting for it, and
 * unread results are kept as results, not as text. Throws the error of the first chunk.
 */
export async function tellLines(
  chunks: Chunks,
  { hold, onFailed }: TellOptions,
): Promise<ReadableStream<Uint8Array>> {
  const untold: IntakeResult[] = [];
  const state = { isOver: false, isGone: false, failure: "", taken: 0 };
  let news = Promise.withResolvers<void>();
  const first = await chunks.next();

  async function takeIn(): Promise<void> {
    try {
      for await (const chunk of startingWith(first, chunks)) {
        state.taken += countOf(chunk);
        untold.push(chunk);
        hold.keep(chunkBytes + heldBytesOf(chunk.runs));
        news.resolve();
        if (state.isGone) return;
        hold.admit();
      }
    } catch (error) {
      onFailed(error);
      state.failure = lastLine(error, state.taken);
    } finally {
      state.isOver = true;
      news.resolve();
    }
  }

  async function* tell(): AsyncGenerator<string> {
    let told = 0;
    while (untold.length > 0 || !state.isOver) {
      const chunk = untold.shift();
      if (chunk === undefined) {
        await news.promise;
        news = Promise.withResolvers<void>();
        continue;
      }
      yield linesPiece(chunk, told);
      told += countOf(chunk);
      hold.giveBack(chunkBytes + heldBytesOf(chunk.runs));
    }
    if (state.failure !== "") yield state.failure;
  }

  const takenIn = takeIn();
  return streamOf(tell(), () => {
    state.isGone = true;
    // A chunk may be under way whose results are not held yet.
    void takenIn.then(() => hold.release());
  });
}

async function* startingWith(first: IteratorResult<IntakeResult>, rest: Chunks): Chunks {
  try {
    if (first.done !== true) yield first.value;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

function lastLine(error: unknown, taken: number): string {
  const { code, detail } = apiProblemOf(error).fields;
  return `${JSON.stringify({ status: "aborted", code, detail: `${detail} ${takenBefore(taken)}` })}\n`;
}

/** The last line of an answer that ends early. */
export function takenBefore(taken: number): string {
  return `The ${taken} readings before were taken in; sending them again bills nothing twice.`;
}
