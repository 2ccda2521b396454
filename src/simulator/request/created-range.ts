import { mapField, textField, type Form } from "./form.ts";

/** Whether a moment, in unix seconds, passes `created` of a list call, as one time or a range. */
export function isCreatedWithin(createdAt: number, form: Form): boolean {
  const exact = textField(form, "created");
  if (exact !== undefined) return createdAt === unixSeconds(exact);
  const range = mapField(form, "created") ?? {};
  const bound = (name: string, otherwise: number) => {
    const text = textField(range, name);
    return text === undefined ? otherwise : unixSeconds(text);
  };
  return (
    createdAt >= bound("gte", -Infinity) &&
    createdAt <= bound("lte", Infinity) &&
    createdAt > bound("gt", -Infinity) &&
    createdAt < bound("lt", Infinity)
  );
}

/** v1 gives times as unix seconds and v2 as RFC 3339 (certain). */
function unixSeconds(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Date.parse(text) / 1000;
}
