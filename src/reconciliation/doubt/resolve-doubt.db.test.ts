import { sql } from "kysely";
import { expect } from "vitest";
import { retryRejected } from "../../delivery/retry-rejected.ts";
import { eventAgeMsMax } from "../../delivery/limits.ts";
import { type DeliverJob, deliverQueueOf } from "../../queue/queues.ts";
import { doubtTest as test } from "../../testing/fixtures/doubt-fixture.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { findEvidence } from "./evidence.ts";
import { findViolations } from "../../testing/rows/invariants.ts";
import { setOtherBounds } from "../../testing/rows/organizations.ts";

const at = hoursAgo(30, 10);
const later = hoursAgo(30, 40);
const jobs = deliverQueueOf("temperature_readings");

test("what Stripe's sum has all of is delivered after one look, which it names", async ({
  books,
  doubt,
  database: { db },
}) => {
  await books.addBoth({ at, quantity: 100 });
  const ids = [
    await doubt.add({ at, quantity: 5, isCounted: true }),
    await doubt.add({ at: later, quantity: 7, isCounted: true }),
  ];

  expect(await doubt.resolve()).toMatchObject({ windows: { all: 1 } });

  const [look] = await db.selectFrom("reconciliations").selectAll().execute();
  expect(look).toMatchObject({ cause: "doubt", ours: "100", doubtful: "12", theirs: "112", reads: 1 });
  for (const id of ids) {
    expect(await doubt.read(id)).toMatchObject({
      state: "delivered",
      reason: "found_in_sum",
      evidence_id: look?.id,
      resolved_at: expect.any(Date) as unknown,
      delivered_at: expect.any(Date) as unknown,
    });
  }
  expect(doubt.logged.filter(({ event }) => event === "doubt_settled")).toMatchObject([
    { stripe_has: "all", events: 2, doubtful: "12", ours: "100", theirs: "112" },
  ]);
});

test("what Stripe has nothing of is sent again under identifiers of its own after the second look", async ({
  books,
  doubt,
  boss,
  database: { db },
}) => {
  await books.addBoth({ at, quantity: 100 });
  const id = await doubt.add({ at, quantity: 5, isCounted: false });

  expect(await doubt.resolve()).toMatchObject({ windows: { wait: 1 } });
  await books.passTime(3_500);
  expect(await doubt.resolve()).toMatchObject({ windows: { wait: 0 } });
  expect(books.readsMade()).toBe(1);
  expect(await doubt.read(id)).toMatchObject({ state: "in_doubt" });
  await books.passTime(101);
  expect(await doubt.resolve()).toMatchObject({ windows: { none: 1 } });

  const replaced = await doubt.read(id);
  expect(replaced).toMatchObject({ state: "superseded", reason: "absent_from_sum" });
  const replacement = await doubt.read(replaced.replaced_by_id ?? "");
  expect(replacement).toMatchObject({
    state: "pending",
    quantity: "5",
    replaces_id: id,
    event_at: at,
    counted_before: "0",
  });
  expect((await boss.fetch<DeliverJob>(jobs)).map(({ data }) => data.meterEventId)).toEqual([replacement.id]);
  expect((await findViolations(db)).filter((violation) => violation.includes("replace"))).toEqual([]);
});

test("of what Stripe has a part of, one event sends what is missing of all", async ({
  books,
  doubt,
  boss,
  database: { db },
}) => {
  await books.addBoth({ at, quantity: 100 });
  const ids = [
    await doubt.add({ at, quantity: 5, isCounted: true }),
    await doubt.add({ at: later, quantity: 7, isCounted: false }),
    await doubt.add({ at, quantity: 9, isCounted: true }),
  ];

  expect(await doubt.resolveTwice()).toMatchObject({ windows: { part: 1 } });

  const replaced = await Promise.all(ids.map(doubt.read));
  const replacementId = replaced[0]?.replaced_by_id ?? "";
  for (const one of replaced) {
    expect(one).toMatchObject({
      state: "superseded",
      reason: "partly_in_sum",
      replaced_by_id: replacementId,
    });
  }
  expect(await doubt.read(replacementId)).toMatchObject({
    state: "pending",
    quantity: "7",
    counted_before: "14",
    entries: 3,
    event_at: later,
    replaces_id: ids[0],
  });
  expect((await boss.fetch<DeliverJob>(jobs)).map(({ data }) => data.meterEventId)).toEqual([replacementId]);
  expect(await books.compare({ start: hoursAgo(31), end: hoursAgo(29) })).toMatchObject({
    whole: { ours: "114", theirs: "114" },
  });
  expect((await findViolations(db)).filter((violation) => violation.includes("replace"))).toEqual([]);
});

for (const [what, stripe, reason] of [
  ["more than all", 6, "more_than_all"],
  ["a part that no events add up to", 2, "no_sum_of_some"],
] as const) {
  test(`${what} leaves the doubt to people, and says so`, async ({ books, doubt, database: { db } }) => {
    const ids = [
      await doubt.add({ at, quantity: 1, isCounted: false }),
      await doubt.add({ at, quantity: 4, isCounted: false }),
    ];
    await books.countTheirs({ at, quantity: stripe });

    expect(await doubt.resolveTwice()).toMatchObject({ windows: { unclear: 1 } });

    for (const id of ids) expect(await doubt.read(id)).toMatchObject({ state: "in_doubt" });
    const looks = db.selectFrom("reconciliations").select(["result", "reason"]).orderBy("read_at", "desc");
    expect(await looks.executeTakeFirst()).toEqual({ result: "different", reason });
    expect(doubt.logged.at(-1)).toMatchObject({ event: "doubt_unclear", reason, theirs: String(stripe) });
    const key = { organizationId: books.organizationId, meterEventId: ids[0] ?? "" };
    const seen = { ours: "0", doubtful: "5", theirs: String(stripe), reason };
    expect(await findEvidence(db, key)).toMatchObject(seen);
    await sql`select metering.resolve_in_doubt(${key.meterEventId}, 'delivered', 'seen')`.execute(db);
    expect(await findEvidence(db, key)).toMatchObject(seen);
  });
}

test("what a report covers and the sum lacks is rejected with the report's code, and a retry sends each once", async ({
  books,
  doubt,
  boss,
  database: { db },
}) => {
  await books.addBoth({ at, quantity: 100 });
  const ids = [
    await doubt.addReported({ at, quantity: 5, isCounted: false }, "meter_event_customer_not_found"),
    await doubt.addReported({ at, quantity: 5, isCounted: false }, "meter_event_customer_not_found"),
  ];

  expect(await doubt.resolveTwice()).toMatchObject({ windows: { none: 1 } });

  for (const id of ids) {
    expect(await doubt.read(id)).toMatchObject({
      state: "rejected",
      reason: "meter_event_customer_not_found",
      last_error: "Stripe says meter_event_customer_not_found",
      reconcile_since: null,
    });
  }
  expect(await retryRejected({ db, boss }, {})).toBe(2);
  expect((await doubt.readAll()).map(({ state, quantity }) => `${state} ${quantity}`)).toEqual([
    "delivered 100",
    "superseded 5",
    "superseded 5",
    "pending 5",
    "pending 5",
  ]);
  expect(await boss.fetch(jobs, { batchSize: 10 })).toHaveLength(2);
});

test("what a report covers and the sum has is delivered as before, and under no report any more", async ({
  doubt,
}) => {
  const id = await doubt.addReported({ at, quantity: 5, isCounted: true });

  await doubt.resolve();

  expect(await doubt.read(id)).toMatchObject({
    state: "delivered",
    reason: "found_in_sum",
    reconcile_since: null,
  });
});

test("a part that a report covers is rejected as one event, and a retry sends what was missing", async ({
  doubt,
  boss,
  database: { db },
}) => {
  await doubt.addReported({ at, quantity: 5, isCounted: true });
  await doubt.addReported({ at, quantity: 3, isCounted: false });

  expect(await doubt.resolveTwice()).toMatchObject({ windows: { part: 1 } });
  expect((await doubt.readAll()).at(-1)).toMatchObject({
    state: "rejected",
    reason: "meter_event_invalid_value",
    quantity: "3",
    counted: "5",
  });
  await retryRejected({ db, boss }, {});

  expect((await doubt.readAll()).slice(-2)).toMatchObject([
    { state: "superseded", quantity: "3", counted: "5" },
    { state: "pending", quantity: "3", counted: "5" },
  ]);
});

test("what Stripe would refuse for its age is expired in place of being sent", async ({ doubt, boss }) => {
  const old = new Date(Date.now() - eventAgeMsMax - 3_600_000);
  const young = new Date(Date.now() - eventAgeMsMax + 2 * 3_600_000);
  const [expired, sent] = [
    await doubt.add({ at: old, quantity: 5, isCounted: false }),
    await doubt.add({ at: young, quantity: 5, isCounted: false }),
  ];

  await doubt.resolveTwice();

  expect(await doubt.read(expired)).toMatchObject({ state: "expired", reason: "absent_from_sum" });
  expect(await doubt.read(sent)).toMatchObject({ state: "superseded" });
  expect(await boss.fetch(jobs, { batchSize: 10 })).toHaveLength(1);
});

test("an event that changes between look and settlement leaves all as it is", async ({
  books,
  doubt,
  database: { db },
}) => {
  const id = await doubt.add({ at, quantity: 5, isCounted: false });
  await doubt.resolve();
  await books.passTime(3_601);
  // A worker that overslept settles while Stripe's sum is read.
  await sql`
    create function metering.oversleep() returns trigger language plpgsql security definer as $$ begin
      update metering.meter_events set state = 'delivered', delivered_at = now()
      where organization_id = new.organization_id and id = '${sql.raw(id)}';
      return null;
    end $$
  `.execute(db);
  await sql`
    create trigger oversleep after insert on metering.reconciliations for each row execute function metering.oversleep()
  `.execute(db);

  expect(await doubt.resolve()).toMatchObject({ windows: { moved: 1, none: 0 } });
  expect(await doubt.read(id)).toMatchObject({ state: "delivered", evidence_id: null });
});

test("an hour with an attempt under way, or one that has just ended, is not looked at", async ({
  books,
  doubt,
}) => {
  await doubt.add({ at, isCounted: true });
  await books.addOurs({ at }, { state: "pending", delivered_at: null });
  await doubt.add({ at: hoursAgo(40), isCounted: true }, { last_attempt_at: new Date() });

  await doubt.resolve();

  expect(books.readsMade()).toBe(0);
});

test("an event that was refused after an attempt of unknown outcome keeps its hour's doubt open", async ({
  books,
  doubt,
}) => {
  await doubt.add({ at, quantity: 5, isCounted: false });
  const refused = { state: "rejected", reason: "crashes_worker", first_unknown_at: at, delivered_at: null };
  await books.addOurs({ at, quantity: 5 }, refused);
  await books.countTheirs({ at, quantity: 5 });

  expect(await doubt.resolve()).toMatchObject({ windows: { unclear: 1 } });
  expect(doubt.logged.at(-1)).toMatchObject({ reason: "refused_after_doubt" });
});

test("a hundred hours cost one read a look, and hours without doubt are not written down", async ({
  books,
  doubt,
  database: { db },
}) => {
  for (let hour = 2; hour < 25; hour += 1) {
    await doubt.add({ at: hoursAgo(hour, 5), quantity: hour, isCounted: hour % 2 === 0 });
    await books.addBoth({ at: hoursAgo(hour + 30, 5), quantity: hour });
  }

  await doubt.resolveTwice();

  expect(books.readsMade()).toBe(2);
  const looks = db.selectFrom("reconciliations").select(["window_start"]).execute();
  expect(await looks).toHaveLength(23 + 11);
  const states = (await doubt.readAll()).map(({ state }) => state);
  expect(states.filter((state) => state === "in_doubt")).toEqual([]);
  expect(states.filter((state) => state === "pending")).toHaveLength(11);
});

test.for(["a period", "a period of another subscription, without an invoice yet"])(
  "an hour is judged apart on both sides of the end of %s",
  async (whose, { books, doubt, database: { db } }) => {
    const ends = new Date(hoursAgo(30, 30).getTime() + 20_000);
    if (whose === "a period") {
      await sql`
        insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
        values (${books.organizationId}, ${hoursAgo(500)}, ${ends}, ${books.customer})
      `.execute(db);
    } else {
      await setOtherBounds(db, books.organizationId, [hoursAgo(500), ends]);
    }
    await doubt.add({ at, quantity: 5, isCounted: true });
    await doubt.add({ at, quantity: 3, isCounted: false });
    await doubt.add({ at: later, quantity: 5, isCounted: true });
    await doubt.add({ at: later, quantity: 8, isCounted: false });

    expect(await doubt.resolveTwice()).toMatchObject({ windows: { part: 2 } });
    const sent = (await doubt.readAll()).filter(({ state }) => state === "pending");
    expect(sent.map(({ quantity, counted }) => [quantity, counted])).toEqual([
      ["3", "5"],
      ["8", "5"],
    ]);
  },
);

test("doubt in the minute in which a period ends is judged apart from that before it, as the next period's sum has that minute, too", async ({
  books,
  doubt,
  database: { db },
}) => {
  const minute = hoursAgo(30, 30).getTime();
  await sql`
    insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
    values (${books.organizationId}, ${hoursAgo(500)}, ${new Date(minute + 20_000)}, ${books.customer})
  `.execute(db);
  await doubt.add({ at: new Date(minute - 90_000), quantity: 5, isCounted: true });
  await doubt.add({ at: new Date(minute - 80_000), quantity: 4, isCounted: false });
  await doubt.add({ at: new Date(minute + 10_000), quantity: 3, isCounted: true });
  await doubt.add({ at: new Date(minute + 15_000), quantity: 8, isCounted: false });

  expect(await doubt.resolveTwice()).toMatchObject({ windows: { part: 2 } });
  const sent = (await doubt.readAll()).filter(({ state }) => state === "pending");
  expect(sent.map(({ quantity, counted }) => [quantity, counted])).toEqual([
    ["4", "5"],
    ["8", "3"],
  ]);
});

test("a part in the minute in which a period ends is left to people", async ({
  books,
  doubt,
  database: { db },
}) => {
  const minute = hoursAgo(30, 30).getTime();
  const ends = new Date(minute + 20_000);
  await sql`
    insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
    values (${books.organizationId}, ${hoursAgo(500)}, ${ends}, ${books.customer})
  `.execute(db);
  await doubt.add({ at: new Date(minute + 10_000), quantity: 5, isCounted: true });
  await doubt.add({ at: new Date(minute + 30_000), quantity: 3, isCounted: false });

  expect(await doubt.resolveTwice()).toMatchObject({ windows: { unclear: 1 } });
  expect(doubt.logged.at(-1)).toMatchObject({ reason: "period_ends_inside" });
});

test("two runs at once settle each window once", async ({ books, doubt, boss }) => {
  await doubt.add({ at, quantity: 5, isCounted: false });
  await doubt.resolve();
  await books.passTime(3_601);

  await Promise.all([doubt.resolve(), doubt.resolve(), doubt.resolve()]);

  const events = await doubt.readAll();
  expect(events.map(({ state }) => state)).toEqual(["superseded", "pending"]);
  expect(await boss.fetch(jobs, { batchSize: 10 })).toHaveLength(1);
});

test("doubt that the day's budget does not reach is told once, and resolved when there are reads again", async ({
  books,
  doubt,
}) => {
  const readings = await doubt.add({ at, quantity: 5, isCounted: true });
  const sensors = await doubt.add({ at, quantity: 3, meter: "active_sensors", isCounted: true });
  const states = async () => [(await doubt.read(readings)).state, (await doubt.read(sensors)).state];
  books.deps.budget = { perDay: 1, evidencePerDay: 1 };

  const first = await doubt.resolve();
  const second = await doubt.resolve();
  expect([first.windows.all, first.putOff, second.windows.all, second.putOff]).toEqual([1, 1, 0, 1]);
  expect((await states()).toSorted()).toEqual(["delivered", "in_doubt"]);
  expect(doubt.logged.filter(({ event }) => event === "doubt_put_off")).toMatchObject([{ customers: 1 }]);
  expect(books.readsMade()).toBe(1);

  books.deps.budget = { perDay: 2, evidencePerDay: 2 };
  await doubt.resolve();
  expect(await states()).toEqual(["delivered", "delivered"]);
});
