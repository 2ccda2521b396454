/** Stands for a character that Postgres cannot store. */
const replacement = "\ufffd";

/**
 * The text as Postgres can store it, as `text` and inside `jsonb`: without U+0000, and without lone halves of surrogate
 * pairs, which are no valid Unicode. Texts from outside are stored through this, so that none of them can make an
 * insert fail.
 */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\0", replacement);
}

/** A JSON value as text for `jsonb`, in which every text is storable, names of fields included. */
export function storableJson(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => {
    if (typeof part === "string") return storableText(part);
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    if (Object.keys(part).every((name) => storableText(name) === name)) return part;
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [storableText(name), inner]));
  });
}
