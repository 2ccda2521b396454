import { ok, type Answer } from "./answer.ts";
import { invalidParameter } from "./errors.ts";
import { textField, type Form } from "./form.ts";

const limitDefault = 10;
const limitMax = 100;

/**
 * Cuts one page out of `items` (first to last) by `limit`, `starting_after` and `ending_before`:
 * docs.stripe.com/api/pagination, certain.
 */
export function listPage(items: readonly { id: string }[], query: Form, url: string): Answer {
  const limit = Number(textField(query, "limit") ?? limitDefault);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    return invalidParameter(`This value must be between 1 and ${limitMax}.`, "limit");
  }
  const after = textField(query, "starting_after");
  const before = textField(query, "ending_before");
  if (after !== undefined && before !== undefined) {
    return invalidParameter("You may only specify one of: starting_after, ending_before.");
  }
  const cursor = after ?? before;
  const position = cursor === undefined ? -1 : items.findIndex((item) => item.id === cursor);
  if (cursor !== undefined && position === -1) {
    return invalidParameter(
      `No such object: '${cursor}'`,
      after === undefined ? "ending_before" : "starting_after",
    );
  }
  const { data, hasMore } =
    before === undefined ? pageAfter(items, position, limit) : pageBefore(items, position, limit);
  return ok({ object: "list", data, has_more: hasMore, url });
}

function pageAfter(items: readonly object[], position: number, limit: number) {
  const start = position + 1;
  return { data: items.slice(start, start + limit), hasMore: items.length > start + limit };
}

function pageBefore(items: readonly object[], position: number, limit: number) {
  const start = Math.max(0, position - limit);
  return { data: items.slice(start, position), hasMore: start > 0 };
}
