import { ForeignAnswer } from "./foreign-answer.ts";

/**
 * The objects of a list, page by page. Throws a `ForeignAnswer` where one comes a second time: Stripe lists each once, so a
 * server on the way repeats a page, and paging might never end.
 */
export async function* eachOf<T extends { id: string }>(list: AsyncIterable<T>): AsyncGenerator<T> {
  const seen = new Set<string>();
  for await (const one of list) {
    if (seen.has(one.id)) throw new ForeignAnswer(200, "its list repeats an object");
    seen.add(one.id);
    yield one;
  }
}
