import { expect, test } from "vitest";
import { instantSchema } from "./instant.ts";

test.each([
  "2026-11-20T10:00:00Z",
  "2026-11-20T10:00:00+02:00",
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59.999Z",
])("%s is a moment", (text) => {
  expect(instantSchema.parse(text)).toEqual(new Date(text));
});

test.each([
  "2026-11-20",
  "2026-11-20T10:00Z",
  "2026-02-30T10:00:00Z",
  "0000-12-31T23:59:59Z",
  "0001-01-01T00:00:00+00:01",
  "9999-12-31T23:59:59-00:01",
])("%s is none that could be stored and written back", (text) => {
  expect(instantSchema.safeParse(text).success).toBe(false);
});
