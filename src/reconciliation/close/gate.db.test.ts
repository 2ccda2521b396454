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

const watch = { gate: { mode: "watch", marginMinutes: 20 } } as const;

test("watching, it says once for each time of finalization what it would hold, and moves nothing", async ({
  close,
  account: { stripe },
}) => {
  await close.addOurs(7, pending);
  const id = close.endPeriod();
  await close.adopt(id);
  const due = (await stripe.invoices.retrieve(id)).automatically_finalizes_at ?? 0;

  await close.look({ minutes: 30, ...watch });
  const far = close.told("invoice_would_be_held").length;
  await close.look({ minutes: 45, ...watch });
  await close.look({ minutes: 46, ...watch });
  const near = close.told("invoice_would_be_held");
  // A person puts it off; the gate says it again for the new time.
  await stripe.invoices.update(id, { automatically_finalizes_at: due + 1_800 });
  await close.adopt(id);
  await close.look({ minutes: 80, ...watch });

  expect([far, near.length]).toEqual([0, 1]);
  expect(near).toMatchObject([{ invoice_id: id, books: "open" }]);
  expect(close.told("invoice_would_be_held")).toHaveLength(2);
  expect((await stripe.invoices.retrieve(id)).automatically_finalizes_at).toBe(due + 1_800);
  expect(await close.invoice()).toMatchObject({ gateSaid: "would_hold", heldUntil: null });
});

test("off, it leaves drafts alone and says nothing", async ({ close, account: { stripe } }) => {
  await close.addOurs(7, pending);
  const id = close.endPeriod();
  await close.adopt(id);
  const due = (await stripe.invoices.retrieve(id)).automatically_finalizes_at;

  await close.look({ minutes: 45, gate: { mode: "off", marginMinutes: 20 } });

  expect((await stripe.invoices.retrieve(id)).automatically_finalizes_at).toBe(due);
  expect(close.events.filter(({ event }) => event.startsWith("invoice_"))).toEqual([]);
  expect(await close.period()).toMatchObject({ books: "open" });
});

test("a key that may not write invoices is told once for each time, and leaves the draft to Stripe", async ({
  close,
  account: { stripe, simulator, secretKey },
}) => {
  await close.addOurs(7, pending);
  const id = close.endPeriod();
  await close.adopt(id);
  const due = (await stripe.invoices.retrieve(id)).automatically_finalizes_at;
  simulator.setKey(secretKey, "active", { invoices: "read" });

  await close.look({ minutes: 45 });
  await close.look({ minutes: 46 });

  expect(close.told("invoice_not_moved")).toMatchObject([
    { invoice_id: id, reason: "the key may not write invoices" },
  ]);
  expect((await stripe.invoices.retrieve(id)).automatically_finalizes_at).toBe(due);
  expect(await close.invoice()).toMatchObject({ gateSaid: "refused" });
});

test("a draft that is finalized while it is about to be moved is read again, and its period closed", async ({
  close,
  account: { stripe },
}) => {
  await close.addOurs(7, pending);
  const id = close.endPeriod();
  await close.adopt(id);
  const { invoices, ...reads } = close.deps.reads;
  const finalizeAt: typeof invoices.finalizeAt = async (invoiceId, at) => {
    await stripe.invoices.finalizeInvoice(id);
    return invoices.finalizeAt(invoiceId, at);
  };

  await close.look({ minutes: 45, reads: { ...reads, invoices: { ...invoices, finalizeAt } } });

  expect(close.told("invoice_not_moved")).toMatchObject([{ invoice_id: id }]);
  expect(close.told("invoice_held")).toEqual([]);
  expect((await close.invoice())?.status).not.toBe("draft");
  expect(await close.period()).toMatchObject({ closedAt: expect.any(Date) as unknown });
});

test("a draft that is deleted while it is about to be moved is known as deleted, and holds nothing up", async ({
  close,
}) => {
  await close.addOurs(7, pending);
  const id = close.endPeriod();
  await close.adopt(id);
  const { invoices, ...reads } = close.deps.reads;
  const gone = "in_that_was_deleted";
  let isDeleted = false;
  const deleting: typeof invoices = {
    ...invoices,
    read: (invoiceId) => invoices.read(isDeleted ? gone : invoiceId),
    finalizeAt: (_, at) => {
      isDeleted = true;
      return invoices.finalizeAt(gone, at);
    },
  };

  await close.look({ minutes: 45, reads: { ...reads, invoices: deleting } });

  expect(close.told("invoice_not_moved")).toMatchObject([{ invoice_id: id }]);
  expect(await close.invoice()).toMatchObject({ status: "deleted", finalizesAt: null });
  expect(await close.period()).toMatchObject({ closedAt: null });
});
