import { expect, test } from "vitest";
import { recordHeaders } from "./record-headers.ts";

const options = { apiKey: "sk_test_headers", apiBase: "http://127.0.0.1:1", timeoutMs: 1_000 };

test("recordHeaders asks the SDK for the headers that all requests share, and sends no request", async () => {
  const headers = await recordHeaders(options, "/v1/billing/meter_events");

  const names = headers.map(([name]) => name.toLowerCase());
  expect(names).toEqual(
    expect.arrayContaining(["authorization", "content-type", "stripe-version", "user-agent"]),
  );
  expect(names).not.toContain("content-length");
  expect(names).not.toContain("idempotency-key");
  expect(Object.fromEntries(headers)).toMatchObject({ Authorization: "Bearer sk_test_headers" });
});

test("what the SDK would not send is an error, and no request without headers", async () => {
  await expect(recordHeaders(options, "//elsewhere.example/v1")).rejects.toThrow("Request path");
});
