import { z } from "zod";
import { Problem } from "./problem.ts";
import { storedTextSchema } from "./stored-text.ts";

/** Of these a key is made, whatever else its list says of them. */
const textsSchema = z.array(storedTextSchema);

/** Packs the sort key of a page's last row into text that means nothing to callers. */
export function encodeCursor(key: readonly string[]): string {
  return Buffer.from(JSON.stringify(key)).toString("base64url");
}

/**
 * The key inside a cursor, undefined without one. Throws the 400 `invalid_cursor` for a text that is no cursor of ours.
 */
export function decodeCursor<Key>(cursor: string | undefined, keySchema: z.ZodType<Key>): Key | undefined {
  if (cursor === undefined) return undefined;
  const texts = textsSchema.safeParse(parseJson(Buffer.from(cursor, "base64url").toString("utf8")));
  const key = keySchema.safeParse(texts.data);
  if (key.success) return key.data;
  const detail = "cursor is not one that this list has given out.";
  const errors = [{ pointer: "cursor", code: "invalid_cursor", detail }];
  throw new Problem({ status: 400, code: "invalid_cursor", detail, errors });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
