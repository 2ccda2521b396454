import { expect, test } from "vitest";
import { withRetry } from "./api-call.ts";

const { signal } = new AbortController();

test("a connection that fails is tried again", async () => {
  let attempts = 0;
  const answer = await withRetry(async () => {
    attempts += 1;
    if (attempts === 1) throw new TypeError("fetch failed");
    return "stored";
  }, signal);
  expect(answer).toBe("stored");
});

test("what is wrong with the request itself is not tried again", async () => {
  let attempts = 0;
  const attempt = async () => {
    attempts += 1;
    throw new Error("a 400, say");
  };
  await expect(withRetry(attempt, signal)).rejects.toThrow("a 400, say");
  expect(attempts).toBe(1);
});
