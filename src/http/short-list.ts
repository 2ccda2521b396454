import { z } from "@hono/zod-openapi";

/** The answer's code when a list is longer. */
export const tooManyItems = "too_many_items";

/**
 * A list of at most so many items. A longer one is refused before its items are looked at: of a million wrong ones each
 * would be a fault of its own, and cost a second of processor time.
 */
export function shortList<List extends z.ZodType<readonly unknown[]>>(list: List, itemsMax: number) {
  return z.preprocess((input, check) => {
    if (!Array.isArray(input) || input.length <= itemsMax) return input;
    const message = `holds more than ${itemsMax} items`;
    check.addIssue({ code: "custom", message, params: { code: tooManyItems } });
    return z.NEVER;
  }, list);
}
