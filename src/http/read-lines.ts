import { readBodyChunks } from "./read-body.ts";

export type LineLimits = { bytesMax: number; lineCharsMax: number };

/**
 * Reads a body of lines as it arrives: yields the lines that each piece of it completes, without blank ones and
 * without white space around. A longer line than `lineCharsMax` comes cut, with one character more than that. Throws
 * what `readBody` throws, except that bytes that are no UTF-8 become U+FFFD, so that they spoil their own line only.
 */
export async function* readLines(
  request: Request,
  { bytesMax, lineCharsMax }: LineLimits,
): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  const cut = (line: string) => line.slice(0, lineCharsMax + 1);
  let begun = "";
  for await (const chunk of readBodyChunks(request, { bytesMax })) {
    const [first = "", ...others] = decoder.decode(chunk, { stream: true }).split("\n");
    const lines = [begun + first, ...others];
    // Trimmed before it is cut: what follows any amount of blanks still counts.
    begun = cut(lines.pop()?.trimStart() ?? "");
    yield lines.map((line) => cut(line.trim())).filter(isNotBlank);
  }
  yield [cut((begun + decoder.decode()).trim())].filter(isNotBlank);
}

function isNotBlank(line: string): boolean {
  return line !== "";
}
