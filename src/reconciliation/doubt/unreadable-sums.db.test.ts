import Stripe from "stripe";
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

test("a run ends in time, and the next one goes on with others, also where a sum fails each time", async ({
  doubt,
  account: { simulator },
}) => {
  const waitsLongest = await doubt.add({ at: hoursAgo(40), quantity: 5, isCounted: true });
  const other = await doubt.add({ at: hoursAgo(30), quantity: 3, meter: "active_sensors", isCounted: true });
  simulator.addFault({
    kind: "status",
    status: 500,
    path: "/v1/billing/meters/",
    meter: "temperature_readings",
  });

  await expect(doubt.resolve({}, { msMax: 0 })).rejects.toThrow("unknown error");
  expect(await doubt.read(other)).toMatchObject({ state: "in_doubt" });
  expect((await doubt.resolve({}, { msMax: 0 })).windows.all).toBe(1);

  expect(await doubt.read(other)).toMatchObject({ state: "delivered", reason: "found_in_sum" });
  expect(await doubt.read(waitsLongest)).toMatchObject({ state: "in_doubt" });
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

test("a sum that Stripe refuses to tell is asked for again an hour later, and holds up no other", async ({
  books: { deps },
  doubt,
  account: { meterIds },
}) => {
  const refused = await doubt.add({ at: hoursAgo(40), isCounted: true });
  const other = await doubt.add({ at: hoursAgo(30), meter: "active_sensors", isCounted: true });
  let asked = 0;
  const reads: typeof deps.reads = {
    ...deps.reads,
    readEventSummaries: async (question) => {
      if (question.meterId !== meterIds.temperature_readings) return deps.reads.readEventSummaries(question);
      asked += 1;
      throw new Stripe.errors.StripeInvalidRequestError({
        type: "invalid_request_error",
        statusCode: 400,
        message: "This customer is read elsewhere.",
      });
    },
  };

  await expect(doubt.resolve({ reads })).rejects.toThrow("read elsewhere");
  await doubt.resolve({ reads });
  expect(asked).toBe(1);
  // As when the hour is over.
  await expect(doubt.resolve({ reads, absenceSeconds: 0 })).rejects.toThrow("read elsewhere");

  expect(asked).toBe(2);
  expect(await doubt.read(refused)).toMatchObject({ state: "in_doubt" });
  expect(await doubt.read(other)).toMatchObject({ state: "delivered", reason: "found_in_sum" });
});

test("a customer whom Stripe does not know has no usage there: its doubt ends as the doubt of others does", async ({
  doubt,
}) => {
  const unknown = { stripe_customer_id: "cus_unknown" };
  const id = await doubt.add({ at: hoursAgo(40), quantity: 5, isCounted: false }, unknown);
  const known = await doubt.add({ at: hoursAgo(30), quantity: 3, isCounted: true });

  await doubt.resolveTwice();

  expect(await doubt.read(id)).toMatchObject({ state: "superseded", reason: "absent_from_sum" });
  expect(await doubt.read(known)).toMatchObject({ state: "delivered", reason: "found_in_sum" });
});
