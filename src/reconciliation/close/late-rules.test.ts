import { expect, test } from "vitest";
import { findLateDelivery } from "./late-rules.ts";

const finalizedAt = new Date("2026-11-01T01:00:00Z");
const delivered = (time: string, quantity: string) => ({
  quantity,
  deliveredAt: new Date(`2026-11-01T${time}Z`),
  entries: 1,
});
const events = [
  delivered("00:10:00", "100"),
  delivered("00:58:00", "7"),
  delivered("01:00:00", "30"),
  delivered("01:30:00", "5"),
];

test("what was delivered after the finalization is late, when it is all that the invoice lacks", () => {
  expect(findLateDelivery("35", events, finalizedAt)).toEqual({ quantity: "35", entries: 2 });
});

test("what was delivered shortly before may be late with it", () => {
  expect(findLateDelivery("42", events, finalizedAt)).toEqual({ quantity: "42", entries: 3 });
});

test("any other amount has another cause, and is left to people", () => {
  for (const missing of ["0", "-35", "5", "30", "34", "36", "142", "1000"]) {
    expect(findLateDelivery(missing, events, finalizedAt)).toBeUndefined();
  }
});
