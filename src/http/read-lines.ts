import { readBodyChunks } from "./read-body.ts";

export type LineLimits = { bytesMax: number; lineCharsMax: number };

/** From the first character that is not blank to the end of its line, so that blank lines cost next to nothing. */
const fullLine = /\S[^\n]*/g;

/**
 * Reads a body of lines as it arrives: yields the lines that each piece of it completes, one after the other, without
 * blank ones and without white space around. A line longer than `lineCharsMax` is cut to one character more than that.
 * Throws the errors of `readBody`, except that bytes that are no UTF-8 become U+FFFD, so that they spoil their own line
 * only.
 */
export async function* readLines(
  request: Request,
  { bytesMax, lineCharsMax }: LineLimits,
): AsyncGenerator<Iterable<string>> {
  const decoder = new TextDecoder();
  const cut = (line: string) => line.slice(0, lineCharsMax + 1);
  let begun = "";
  for await (const chunk of readBodyChunks(request, { bytesMax })) {
    const text = begun + decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf("\n") + 1;
    yield linesOf(text.slice(0, end), cut);
    // Trimmed before it is cut: characters after any number of blanks still count.
    begun = cut(text.slice(end).trimStart());
  }
  yield linesOf(begun + decoder.decode(), cut);
}

function* linesOf(text: string, cut: (line: string) => string): Generator<string> {
  for (const [line] of text.matchAll(fullLine)) yield cut(line.trimEnd());
}
