import { expect, test } from "vitest";
import { readAnswer } from "./connection.ts";

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\n{}";

test("an answer is read when all of its body is there", () => {
  expect(readAnswer(answer)).toEqual({ status: 200 });
});

test("an answer that is not whole yet is waited for, wherever it breaks off", () => {
  const parts = Array.from({ length: answer.length }, (_, end) => answer.slice(0, end));
  expect(parts.map(readAnswer).filter((read) => read !== undefined)).toEqual([]);
});

test.each([
  ["an answer without a length", "HTTP/1.1 200 OK\r\n\r\n"],
  ["more bytes than were announced", `${answer}x`],
])("%s is a failure, not a figure", (_, text) => {
  expect(readAnswer(text)).toBeInstanceOf(Error);
});
