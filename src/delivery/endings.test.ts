import { expect, test } from "vitest";
import type { StripeAnswer } from "../stripe/answer.ts";
import { distinctEndings } from "./endings.ts";
import { outcomeOf } from "./outcome.ts";
import { verdictOf } from "./verdict.ts";

const now = new Date();
const ended = (answer: StripeAnswer) => {
  const verdict = verdictOf(answer);
  return { answer, verdict, outcome: outcomeOf(verdict, { firstUnknownAt: now, now }) };
};
const accepted = (requestId: string) => ended({ kind: "success", httpStatus: 200, requestId });
const silence = (code: string | null, message: string) =>
  ended({ kind: "no_answer", reachedStripe: "maybe", code, message });

test("what ends alike is one ending, whatever its request, and each attempt names its own", () => {
  const { endings, places } = distinctEndings([
    accepted("req_1"),
    silence("ECONNRESET", "Cut."),
    accepted("req_2"),
    silence("ETIMEDOUT", "Cut."),
    silence("ECONNRESET", "Gone."),
    silence("ECONNRESET", "Cut."),
  ]);

  expect(places).toEqual([1, 2, 1, 3, 4, 2]);
  expect(endings.map(({ state, code, message }) => [state, code, message])).toEqual([
    ["delivered", null, null],
    ["pending", "ECONNRESET", "Cut."],
    ["pending", "ETIMEDOUT", "Cut."],
    ["pending", "ECONNRESET", "Gone."],
  ]);
});

test("an ending is stored as Postgres can take it: code and message without zero bytes, and no longer than 1,000", () => {
  const long = `a\u0000b${"x".repeat(2_000)}`;
  const { endings } = distinctEndings([silence(long, long)]);

  for (const text of [endings[0]?.code, endings[0]?.message]) {
    expect(text).toHaveLength(1_000);
    expect(text).not.toContain("\u0000");
  }
});

test("no attempt has no ending", () => {
  expect(distinctEndings([])).toEqual({ endings: [], places: [] });
});
