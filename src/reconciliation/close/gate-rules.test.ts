import { describe, expect, test } from "vitest";
import { isDraftDue, type Books, decideGate, type Draft } from "./gate-rules.ts";

const createdAt = new Date("2026-11-01T00:00:00Z");
const at = (time: string) => new Date(`2026-11-${time}Z`);
const draft: Draft = { createdAt, finalizesAt: at("01T01:00:00"), heldUntil: null };
const decide = (now: string, books: Books, changes: Partial<Draft> = {}) =>
  decideGate({ ...draft, ...changes }, books, { now: at(now), marginMinutes: 20 });

describe("a draft whose books are not equal", () => {
  test.each(["open", "settling", "different", "unknown"] as const)(
    "is moved on by an hour when finalization comes near (%s)",
    (books) => {
      expect(decide("01T00:39:59", books)).toEqual({ kind: "leave" });
      expect(decide("01T00:40:00", books)).toEqual({ kind: "hold", until: at("01T02:00:00") });
    },
  );

  test("whose time has passed is moved on from now", () => {
    expect(decide("01T01:10:00.700", "open")).toEqual({ kind: "hold", until: at("01T02:10:00") });
  });

  test("is moved to 72 hours after its creation at most, and let go there", () => {
    const near = { finalizesAt: at("03T23:30:00"), heldUntil: at("03T23:30:00") };
    expect(decide("03T23:15:00", "open", near)).toEqual({ kind: "hold", until: at("04T00:00:00") });
    const last = { finalizesAt: at("04T00:00:00"), heldUntil: at("04T00:00:00") };
    expect(decide("03T23:45:00", "open", last)).toEqual({ kind: "let_go" });
    expect(decide("04T02:00:00", "open", last)).toEqual({ kind: "let_go" });
  });

  test("that somebody else put off for longer than that is not brought forward", () => {
    expect(decide("09T23:50:00", "open", { finalizesAt: at("10T00:00:00") })).toEqual({ kind: "let_go" });
  });

  test("that Stripe does not finalize by itself is left alone", () => {
    const byHand = { createdAt, finalizesAt: null, heldUntil: null };
    expect(decideGate(byHand, "open", { now: at("01T00:50:00"), marginMinutes: 20 })).toEqual({
      kind: "leave",
    });
  });
});

describe("a draft whose books are equal", () => {
  test("that was moved is set to now and 5 minutes", () => {
    const held = { finalizesAt: at("01T02:00:00"), heldUntil: at("01T02:00:00") };
    expect(decide("01T00:50:00.900", "equal", held)).toEqual({ kind: "release", at: at("01T00:55:00") });
  });

  test("is left to its own time when it was not moved, when it is due anyway, and when others moved it", () => {
    expect(decide("01T00:50:00", "equal")).toEqual({ kind: "leave" });
    const due = { finalizesAt: at("01T02:00:00"), heldUntil: at("01T02:00:00") };
    expect(decide("01T01:57:00", "equal", due)).toEqual({ kind: "leave" });
    expect(decide("01T00:50:00", "equal", { ...due, finalizesAt: at("01T09:00:00") })).toEqual({
      kind: "leave",
    });
  });
});

test("a draft is due that Stripe finalizes within 72 hours, or was to finalize a short while ago", () => {
  const now = new Date("2026-11-01T00:00:00Z");
  const hoursAhead = (hours: number) => ({ finalizesAt: new Date(now.getTime() + hours * 3_600_000) });
  expect([-3, -1, 1, 72, 73].map((hours) => isDraftDue(hoursAhead(hours), now))).toEqual([
    false,
    true,
    true,
    true,
    false,
  ]);
  expect(isDraftDue({ finalizesAt: null }, now)).toBe(false);
});
