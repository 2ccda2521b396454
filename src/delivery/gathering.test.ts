import { expect, test } from "vitest";
import { createGathering } from "./gathering.ts";

test("what comes before the work begins is done by one work, and what comes later by the next", async () => {
  const works: (readonly number[])[] = [];
  const gather = createGathering<number>(async (items) => void works.push(items), 1);

  await Promise.all([gather([1, 2]), gather([3])]);
  expect(works).toEqual([[1, 2, 3]]);

  await gather([4]);
  expect(works).toEqual([[1, 2, 3], [4]]);
});

test("each caller learns how the work with its own items ended", async () => {
  const gather = createGathering<number>(async (items) => {
    if (items.includes(1)) throw new Error("refused");
  }, 1);
  const [first, second] = [gather([1]), gather([2])];

  await expect(first).rejects.toThrow("refused");
  await expect(second).rejects.toThrow("refused");
  await expect(gather([3])).resolves.toBeUndefined();
});
