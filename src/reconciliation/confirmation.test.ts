import { expect, test } from "vitest";
import { describeConfirmation } from "./confirmation.ts";

const at = (text: string) => new Date(text);
const hour = {
  isConfirmed: true,
  start: at("2026-11-20T08:00:00Z"),
  end: at("2026-11-20T09:00:00Z"),
  ours: "2310",
  theirs: "2310",
  readAt: at("2026-11-20T09:20:11.508Z"),
};

test("a confirmation tells Stripe's sum of the hour, ours, and when it was read", () => {
  expect(describeConfirmation(hour, "temperature_readings")).toBe(
    "confirmed: Stripe's sum of 2026-11-20 08:00–09:00 was 2,310, ours 2,310, read at 2026-11-20T09:20:11.508Z",
  );
});

test("a difference is not confirmed; a window of several days names both, and a gauge has a value", () => {
  const window = {
    ...hour,
    isConfirmed: false,
    end: at("2026-11-22T10:37:00Z"),
    theirs: "-1234.5",
    ours: "1000000",
  };
  expect(describeConfirmation(window, "active_sensors")).toBe(
    "not confirmed: Stripe's value of 2026-11-20 08:00–2026-11-22 10:37 was -1,234.5, ours 1,000,000, read at 2026-11-20T09:20:11.508Z",
  );
});
