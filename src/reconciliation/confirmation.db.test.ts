import { expect } from "vitest";
import { booksTest } from "../testing/fixtures/books-fixture.ts";
import { dayMs, floorTo, hourMs } from "./windows.ts";

const end = new Date(floorTo(new Date(), hourMs).getTime() - dayMs);
const period = { start: new Date(end.getTime() - 10 * dayMs), end };
const at = new Date(end.getTime() - 3 * dayMs + 1_000);

const test = booksTest.extend("confirmationOf", ({ api }) => async (id: string) => {
  const { body } = await api.ask("GET", `/v1/meter-events/${id}`, { token: api.adminToken });
  return body["confirmation"];
});

test("an event is confirmed by the sum of a window that holds it, for API and people alike", async ({
  books,
  confirmationOf,
  cli,
}) => {
  const id = await books.addBoth({ at, quantity: 2_310 });
  expect(await confirmationOf(id)).toBeNull();
  await books.compare(period);

  expect(await confirmationOf(id)).toMatchObject({
    confirmed: true,
    ours: "2310",
    theirs: "2310",
    start: period.start.toISOString(),
    end: period.end.toISOString(),
  });
  for (const command of [
    ["explain", id],
    ["events", "show", id],
  ]) {
    expect((await cli(command)).out).toMatch(
      /confirmation +confirmed: Stripe's sum of .* was 2,310, ours 2,310, read at/,
    );
  }
});

test("of a period that differs, an event of an equal hour is confirmed, and one of another hour is not", async ({
  books,
  confirmationOf,
}) => {
  const equal = await books.addBoth({ at, quantity: 5 });
  const later = new Date(at.getTime() + 2 * hourMs);
  const doubtful = await books.addBoth({ at: later, quantity: 7 });
  await books.countTheirs({ at: later, quantity: 1 });
  await books.compare(period);

  expect(await confirmationOf(equal)).toMatchObject({ confirmed: true, ours: "5", theirs: "5" });
  expect(await confirmationOf(doubtful)).toMatchObject({ confirmed: false, ours: "7", theirs: "8" });
});

test("neither a look of before its delivery nor one at another window says anything of an event", async ({
  books,
  confirmationOf,
}) => {
  await books.addBoth({ at, quantity: 5 });
  await books.compare(period);
  const late = await books.addOurs({ at, quantity: 0 }, { delivered_at: new Date() });
  const outside = await books.addBoth({ at: end, quantity: 5 });
  const unsent = await books.addOurs({ at, quantity: 1 }, { state: "in_doubt", delivered_at: null });

  for (const id of [late, outside, unsent]) expect(await confirmationOf(id)).toBeNull();
});
