import type { ConsoleContext } from "../console-env.ts";
import { readBody } from "../../http/read-body.ts";

/** A form of the console is a reason and some choices. */
const formBytesMax = 16_384;

/** The fields of a form that was sent, each by its first value. Throws the 413 for one that is too long. */
export async function readForm(
  c: ConsoleContext,
  { bytesMax = formBytesMax }: { bytesMax?: number } = {},
): Promise<Record<string, string | undefined>> {
  const text = await readBody(c.req.raw, { bytesMax, hold: c.var.hold });
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) if (!fields.has(name)) fields.set(name, value);
  return Object.fromEntries(fields);
}
