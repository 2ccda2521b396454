import { expect, test } from "vitest";
import { createTeardown } from "./teardown.ts";

test("the latest is undone first, past failures, of which the first is told", async () => {
  const undone: string[] = [];
  const teardown = createTeardown();
  teardown.add(async () => void undone.push("postgres"));
  teardown.add(() => Promise.reject(new Error("the api hangs")));
  teardown.add(async () => void undone.push("worker"));

  await expect(teardown.run()).rejects.toThrow("the api hangs");

  expect(undone).toEqual(["worker", "postgres"]);
});
