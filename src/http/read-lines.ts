import { readBodyChunks } from "./read-body.ts";

export type LineLimits = { bytesMax: number; lineCharsMax: number };

/** From the first character that is not blank to the end of its line, so that blank lines cost next to nothing. */
const fullLine = /\S[^\n]*/g;

/**
 * Reads a body of lines as it arrives: yields the lines that each piece of it completes, one after the other, without
 * blank ones and without white space around. A line longer than `lineCharsMax` is cut to that and its last character, which is not
 * blank, so that it is too long however its body comes in pieces.
 * Throws the errors of `readBody`, except that bytes that are no UTF-8 become U+FFFD, so that they spoil their own line
 * only.
 */
export async function* readLines(
  request: Request,
  { bytesMax, lineCharsMax }: LineLimits,
): AsyncGenerator<Iterable<string>> {
  const decoder = new TextDecoder();
  let begun = "";
  for await (const chunk of readBodyChunks(request, { bytesMax })) {
    const text = begun + decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf("\n") + 1;
    yield linesOf(text.slice(0, end), lineCharsMax);
    begun = beginningOf(text.slice(end), lineCharsMax);
  }
  yield linesOf(begun + decoder.decode(), lineCharsMax);
}

function* linesOf(text: string, charsMax: number): Generator<string> {
  for (const [line] of text.matchAll(fullLine)) yield cut(line.trimEnd(), charsMax);
}

function cut(line: string, charsMax: number): string {
  return line.length > charsMax ? line.slice(0, charsMax) + line.slice(-1) : line;
}

/** What is kept of a line whose end has not come. Blanks before it do not count; those after it do if more follows. */
function beginningOf(text: string, charsMax: number): string {
  const begun = text.trimStart();
  const line = begun.trimEnd();
  return line.length > charsMax ? cut(line, charsMax) : begun.slice(0, charsMax);
}
