import { expect, test } from "vitest";
import { repeat } from "./wait.ts";

test("work that failed is done again sooner than work that went well", async () => {
  const runs: string[] = [];
  const again = Promise.withResolvers<void>();
  const work = async () => {
    runs.push("run");
    if (runs.length === 1) throw new Error("the database is away");
    again.resolve();
  };
  const onError = () => void runs.push("error");
  const repeating = repeat(work, { everyMs: 3_600_000, afterErrorMs: 1, onError });
  await again.promise;
  await repeating.stop();
  expect(runs).toEqual(["run", "error", "run"]);
});
