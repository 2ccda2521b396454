import { expect } from "vitest";
import { doubtTest as test } from "../../testing/fixtures/doubt-fixture.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";

test("a sum that Stripe fails to tell each time holds up no other customer's or meter's doubt", async ({
  doubt,
  account: { simulator },
}) => {
  const waitsLongest = await doubt.add({ at: hoursAgo(40), quantity: 5, isCounted: true });
  const other = await doubt.add({
    at: hoursAgo(30),
    quantity: 3,
    meter: "active_sensors",
    isCounted: true,
  });
  simulator.addFault({
    kind: "status",
    status: 500,
    path: "/v1/billing/meters/",
    meter: "temperature_readings",
  });

  await expect(doubt.resolve()).rejects.toThrow("unknown error");

  expect(await doubt.read(other)).toMatchObject({ state: "delivered", reason: "found_in_sum" });
  expect(await doubt.read(waitsLongest)).toMatchObject({ state: "in_doubt" });
  expect(doubt.logged.filter(({ event }) => event === "doubt_look_failed")).toMatchObject([
    { meter: "temperature_readings" },
  ]);
});

test("a refused key ends the run at once: every other sum would be refused, too", async ({
  books,
  doubt,
  account: { simulator },
}) => {
  await books.deps.reads.meters.knowing([]);
  await doubt.add({ at: hoursAgo(40), isCounted: true });
  await doubt.add({ at: hoursAgo(30), meter: "active_sensors", isCounted: true });
  simulator.addFault({ kind: "wrong_key", path: "/v1/billing/meters/" });

  await expect(doubt.resolve()).rejects.toThrow("Invalid API Key");

  expect(books.readsMade()).toBe(1);
});
