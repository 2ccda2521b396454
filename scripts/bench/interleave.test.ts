import { expect, test } from "vitest";
import { interleave } from "./interleave.ts";

test("contestants take turns, each begins in turn, and the warm-up round counts for nothing", async () => {
  const order: string[] = [];
  const contestant = (name: string) => ({ name, run: async () => order.push(name) });

  const measured = await interleave([contestant("ours"), contestant("theirs")], 2);

  expect(order).toEqual(["ours", "theirs", "theirs", "ours", "ours", "theirs"]);
  expect(measured("ours")).toEqual([4, 5]);
  expect(measured("theirs")).toEqual([3, 6]);
});

test("as many rounds warm up as were asked for", async () => {
  let runs = 0;
  const measured = await interleave([{ name: "ours", run: async () => (runs += 1) }], 2, { warmUpRounds: 3 });

  expect(measured("ours")).toEqual([4, 5]);
});
