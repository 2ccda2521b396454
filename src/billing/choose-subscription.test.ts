import { expect, test } from "vitest";
import type { SubscriptionRead } from "../stripe/read-subscriptions.ts";
import { billedTimes, chooseMeters, chooseSubscription, otherBounds } from "./choose-subscription.ts";

const ours = new Set(["mtr_readings", "mtr_sensors"]);
const day = (n: number) => new Date(Date.UTC(2026, 10, n));

function subscription(id: string, change: Partial<SubscriptionRead> = {}): SubscriptionRead {
  const items = [{ meterId: "mtr_readings", periodStart: day(1), periodEnd: day(30) }];
  return {
    id,
    status: "active",
    createdAt: day(1),
    startedAt: day(1),
    endedAt: null,
    isCollectionPaused: false,
    trial: null,
    items,
    ...change,
  };
}

const chosenId = (...of: SubscriptionRead[]) => chooseSubscription(of, ours)?.id;

test("a subscription that bills none of our meters is never chosen", () => {
  const others = [
    { meterId: null, periodStart: day(1), periodEnd: day(30) },
    { meterId: "mtr_of_others", periodStart: day(1), periodEnd: day(30) },
  ];
  expect(chosenId(subscription("sub_1", { items: others }))).toBeUndefined();
  expect(chosenId(subscription("sub_1", { items: [] }))).toBeUndefined();
});

test("the period is that of the item that ends first, and of items that end together that of the shortest", () => {
  const items = [
    { meterId: "mtr_sensors", periodStart: day(1), periodEnd: day(30) },
    { meterId: "mtr_readings", periodStart: day(8), periodEnd: day(15) },
    { meterId: null, periodStart: day(14), periodEnd: day(15) },
  ];
  expect(chooseSubscription([subscription("sub_1", { items })], ours)).toMatchObject({
    periodStart: day(8),
    periodEnd: day(15),
  });
  const together = items.map((item) => ({ ...item, periodEnd: day(30) }));
  expect(chooseSubscription([subscription("sub_1", { items: together })], ours)).toMatchObject({
    periodStart: day(8),
    periodEnd: day(30),
  });
});

test("the period is that of the item that bills our meter", () => {
  const items = [
    { meterId: null, periodStart: day(1), periodEnd: day(2) },
    { meterId: "mtr_sensors", periodStart: day(5), periodEnd: day(25) },
  ];
  expect(chooseSubscription([subscription("sub_1", { items })], ours)).toEqual({
    id: "sub_1",
    status: "active",
    periodStart: day(5),
    periodEnd: day(25),
  });
});

test.each(["active", "trialing", "past_due"])(
  "an older one that is %s goes before a newer one that waits",
  (status) => {
    const waiting = ["paused", "unpaid", "incomplete", "a_word_of_later"].map((word, n) =>
      subscription(word, { status: word, createdAt: day(10 + n) }),
    );
    expect(chosenId(...waiting, subscription("old", { status }))).toBe("old");
  },
);

test.each(["paused", "unpaid", "incomplete", "a_word_of_later"])(
  "one that is %s goes before ended ones",
  (status) => {
    const ended = ["canceled", "incomplete_expired"].map((word) =>
      subscription(word, { status: word, createdAt: day(10) }),
    );
    expect(chosenId(...ended, subscription("old", { status }))).toBe("old");
  },
);

test("of equal ones the newest is chosen, and in one second the one that Stripe lists first", () => {
  const [old, late] = [subscription("old"), subscription("late", { createdAt: day(2) })];
  expect(chosenId(old, late)).toBe("late");
  expect(chosenId(late, old)).toBe("late");
  expect(chosenId(subscription("first"), subscription("second"))).toBe("first");
});

test("of a meter that was made anew the active one counts, and an inactive one only alone", () => {
  const old = { eventName: "temperature_readings", isActive: false };
  const meters = new Map([
    ["mtr_old", old],
    ["mtr_new", { ...old, isActive: true }],
    ["mtr_sensors", { eventName: "active_sensors", isActive: false }],
    ["mtr_of_others", { eventName: "tokens", isActive: true }],
  ]);
  expect([...chooseMeters(meters, ["temperature_readings", "active_sensors"])]).toEqual([
    "mtr_new",
    "mtr_sensors",
  ]);
});

test("usage is billed while a subscription of ours lasts, unless it was never paid", () => {
  const times = billedTimes(
    [
      subscription("sub_4", { status: "incomplete_expired", endedAt: day(2) }),
      subscription("sub_3", { startedAt: day(9) }),
      subscription("sub_2", { status: "canceled", startedAt: day(3), endedAt: day(7) }),
      subscription("sub_1", { items: [] }),
    ],
    ours,
  );
  expect(times).toEqual([
    { from: day(9), until: null },
    { from: day(3), until: day(7) },
  ]);
});

test("usage of a paused subscription lies on no invoice after its last period", () => {
  const paused = subscription("sub_1", { status: "paused" });
  expect(billedTimes([paused], ours)).toEqual([{ from: day(1), until: day(30) }]);
});

test("other bounds are those of all our items' periods but the chosen one's, of subscriptions that have not ended", () => {
  const item = (meterId: string | null, from: number, to: number) => ({
    meterId,
    periodStart: day(from),
    periodEnd: day(to),
  });
  const all = [
    subscription("sub_5", { items: [item("mtr_sensors", 1, 30), item("mtr_readings", 2, 9)] }),
    subscription("sub_4", { status: "past_due", items: [item("mtr_sensors", 9, 16), item(null, 3, 4)] }),
    subscription("sub_3", { status: "unpaid", items: [item("mtr_sensors", 1, 16)] }),
    subscription("sub_2", { status: "canceled", items: [item("mtr_sensors", 5, 6)] }),
    subscription("sub_1", { items: [item("mtr_of_others", 7, 8)] }),
  ];
  expect(otherBounds(all, ours, chooseSubscription(all, ours))).toEqual([day(1), day(16), day(30)]);
  expect(otherBounds(all.slice(0, 1), new Set(["mtr_readings"]), chooseSubscription(all, ours))).toEqual([]);
});

test("where a subscription of ours ended is another bound, also of the chosen one, unless its period ended then", () => {
  const item = { meterId: "mtr_readings", periodStart: day(1), periodEnd: day(30) };
  const early = subscription("sub_2", { status: "canceled", endedAt: day(12) });
  const before = subscription("sub_1", { status: "canceled", endedAt: day(8), items: [item] });
  const inTime = subscription("sub_0", { status: "canceled", endedAt: day(30) });
  const ofOthers = subscription("sub_x", { status: "canceled", endedAt: day(9), items: [] });

  const boundsOf = (...all: SubscriptionRead[]) => otherBounds(all, ours, chooseSubscription(all, ours));
  expect(boundsOf(early, before, ofOthers)).toEqual([day(8), day(12)]);
  expect(boundsOf(subscription("sub_3"), before)).toEqual([day(8)]);
  expect(boundsOf(inTime)).toEqual([]);
});

test("of very many subscriptions that ended, the latest ends are bounds", () => {
  const all = Array.from({ length: 28 }, (_, n) =>
    subscription(`sub_${n}`, { status: "canceled", endedAt: day(n + 1) }),
  );
  expect(otherBounds(all, ours, chooseSubscription(all, ours))).toEqual(
    Array.from({ length: 20 }, (_, n) => day(n + 9)),
  );
});

// Postgres takes no range that ends before it begins, and the read could never be stored.
test("a subscription that ended at its beginning, or before it, is billed at no time", () => {
  const ended = { status: "canceled", startedAt: day(9) };
  const all = [
    subscription("sub_2", { ...ended, endedAt: day(9) }),
    subscription("sub_1", { ...ended, endedAt: day(7) }),
  ];
  expect(billedTimes(all, ours)).toEqual([]);
});
