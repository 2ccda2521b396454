/** Stands for what Postgres cannot store. */
const replacement = "\ufffd";

/**
 * The text as Postgres can store it, as `text` and inside `jsonb`: without U+0000, which it has not, and without halves of
 * surrogate pairs, which are no Unicode. What others say of us is stored by this, so that no word of theirs can refuse a row.
 */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\0", replacement);
}

/** A value of JSON as text for `jsonb`, with every text in it storable, the names of its fields too. */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => {
    if (typeof part === "string") return storableText(part);
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    if (Object.keys(part).every((name) => storableText(name) === name)) return part;
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [storableText(name), inner]));
  });
}
