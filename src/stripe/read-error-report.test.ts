import { expect, test } from "vitest";
import { json, serve } from "../testing/net/raw-server.ts";
import { createStripe } from "./client.ts";
import { createStripeReads } from "./reads.ts";

const apiKey = "sk_test_reports";
const start = "2026-11-20T10:00:00.000Z";
const end = "2026-11-20T10:00:10Z";

async function reportOf(change: object) {
  const reason = { error_count: 3, error_types: [{ code: "no_meter", error_count: 3, sample_errors: [] }] };
  const data = { validation_start: start, validation_end: end, reason, ...change };
  const { url } = await serve(json(200, { object: "v2.core.event", id: "evt_1", data }));
  const reads = createStripeReads(createStripe({ apiKey, apiBase: url, timeoutMs: 5_000 }), apiKey);
  return reads.readErrorReport("evt_1");
}

test("a report tells the time that it is about", async () => {
  expect(await reportOf({})).toMatchObject({
    errorCount: 3,
    validationStart: new Date(start),
    validationEnd: new Date(end),
  });
});

test.for([
  ["no beginning", { validation_start: null }],
  ["no end", { validation_end: null }],
  ["a number as its beginning", { validation_start: 0 }],
  ["a day as its beginning", { validation_start: "2026" }],
] as const)("a report with %s is refused: it would be about all usage, or about none", async ([, change]) => {
  await expect(reportOf(change)).rejects.toThrow("Invalid");
});

test.for([
  ["without its request", { error_message: "No such meter" }],
  ["whose request is null", { error_message: "No such meter", request: null }],
  ["whose request has no name", { error_message: "No such meter", request: {} }],
  ["whose request has a number as its name", { error_message: "No such meter", request: { identifier: 7 } }],
  ["without a message", { request: { identifier: "b" } }],
  ["of another type", "No such meter"],
  ["that is null", null],
] as const)("a sample %s is counted as unreadable, and the others are read", async ([, odd]) => {
  const named = { error_message: "Too old", request: { identifier: "a" } };
  const error_types = [
    { code: "timestamp_too_far_in_past", error_count: 1, sample_errors: [named] },
    { code: "no_meter", error_count: 2, sample_errors: [odd] },
  ];

  const report = await reportOf({ reason: { error_count: 3, error_types } });

  expect(report).toMatchObject({
    errorCount: 3,
    errors: [{ identifier: "a", code: "timestamp_too_far_in_past", message: "Too old" }],
    unnamed: { code: "no_meter" },
    unreadable: 1,
  });
});
