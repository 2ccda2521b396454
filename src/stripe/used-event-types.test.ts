import { expect, test } from "vitest";
import { planEvent } from "../billing/plan-event.ts";
import { usedEventTypes, usedThinEventTypes } from "./used-event-types.ts";

const unused = { kind: "nothing", reason: "unused_type" };

test.each(usedEventTypes)("%s has an effect", (type) => {
  const event = { id: "evt_1", object: "event", type, livemode: false, data: { object: {} } } as const;
  expect(planEvent(event)).not.toEqual(unused);
});

test.each(usedThinEventTypes)("%s has an effect", (type) => {
  expect(planEvent({ id: "evt_1", object: "v2.core.event", type, livemode: false })).not.toEqual(unused);
});

test("Stripe's list of events takes no more than 20 types at once", () => {
  expect(usedEventTypes.length).toBeLessThanOrEqual(20);
});
