import { expect } from "vitest";
import { closeTest as test } from "../../testing/fixtures/close-fixture.ts";

const pending = {
  state: "pending",
  attempts_started: 0,
  attempts_finished: 0,
  last_attempt_at: null,
  delivered_at: null,
};

test("a draft with pending usage is held by the hour, and released when its books are equal", async ({
  close,
  account: { stripe },
  database: { db },
}) => {
  await close.addOurs(10);
  await close.countTheirs(10);
  const waiting = await close.addOurs(7, pending);
  const id = close.endPeriod();
  await close.adopt(id);
  const due = (await stripe.invoices.retrieve(id)).automatically_finalizes_at ?? 0;

  await close.look({ minutes: 30 });
  expect((await stripe.invoices.retrieve(id)).automatically_finalizes_at).toBe(due);
  await close.look({ minutes: 45 });
  await close.look({ minutes: 46 });
  expect((await stripe.invoices.retrieve(id)).automatically_finalizes_at).toBe(due + 3_600);
  expect(close.told("invoice_held")).toMatchObject([{ invoice_id: id, books: "open" }]);

  await close.countTheirs(7);
  const hourAgo = new Date(Date.now() - 3_600_000);
  await db
    .updateTable("meter_events")
    .set({
      state: "delivered",
      delivered_at: hourAgo,
      last_attempt_at: hourAgo,
      attempts_started: 1,
      attempts_finished: 1,
    })
    .where("id", "=", waiting)
    .execute();
  await close.look({ minutes: 47 });
  const released = (await stripe.invoices.retrieve(id)).automatically_finalizes_at ?? 0;
  expect(Math.abs(released - (Date.now() / 1_000 + 52 * 60))).toBeLessThan(10);
  expect(close.told("invoice_released")).toHaveLength(1);
  expect(await close.period()).toMatchObject({ books: "equal", closedAt: null });

  await close.look({ minutes: 48 });
  expect((await stripe.invoices.retrieve(id)).automatically_finalizes_at).toBe(released);
});
