import { expect, test } from "vitest";
import { parseSince } from "./since.ts";

const now = new Date("2026-11-20T10:00:00Z");

test.each([
  ["90m", "2026-11-20T08:30:00.000Z"],
  ["24h", "2026-11-19T10:00:00.000Z"],
  ["7d", "2026-11-13T10:00:00.000Z"],
  ["30d", "2026-10-21T10:00:00.000Z"],
  ["2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00.000Z"],
])("%s is %s", (text, at) => {
  expect(parseSince(text, now)).toEqual({ kind: "since", at: new Date(at) });
});

test.each([
  ["31d", "lies too far back: Stripe keeps events for 30 days"],
  ["2026-10-21T09:59:59Z", "lies too far back: Stripe keeps events for 30 days"],
  ["2026-11-20T10:00:01Z", "lies in the future"],
  ["yesterday", "must be an RFC 3339 time such as 2026-11-20T10:00:00Z, or 90m, 24h, 7d"],
  ["2026-11-20", "must be an RFC 3339 time such as 2026-11-20T10:00:00Z, or 90m, 24h, 7d"],
  ["-1h", "must be an RFC 3339 time such as 2026-11-20T10:00:00Z, or 90m, 24h, 7d"],
])("%s %s", (text, reason) => {
  expect(parseSince(text, now)).toEqual({ kind: "refused", reason });
});
