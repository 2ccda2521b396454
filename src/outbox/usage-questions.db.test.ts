import { sql } from "kysely";
import { expect } from "vitest";
import { meterEventsTest as test } from "../testing/fixtures/meter-events-fixture.ts";
import { appendEntries, type NewEntry } from "../testing/rows/entries.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { settleUsageAtOnce } from "../testing/rows/settle-usage.ts";
import { readUsageByEntries } from "../testing/rows/usage-by-entries.ts";
import { meterNames } from "../usage/meters.ts";
import { sealDueEntries } from "./seal.ts";
import { addUpUsage } from "./sums.ts";
import { granularities } from "./usage-buckets.ts";
import { readUsage, type UsageQuery } from "./usage.ts";

type Entry = Required<NewEntry>;

const hourMs = 3_600_000;
const granularityMs = { hour: hourMs, day: 24 * hourMs, month: 30 * 24 * hourMs };
const zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"];
/** What the bounds of a question are whole numbers of. */
const steps = [1, 60_000, 900_000, hourMs, 24 * hourMs];
const bucketsMax = 5;
const questionsEach = 4;

test("random questions of up to five buckets are answered with the sums of their entries", async ({
  database: { db },
  boss,
}) => {
  const acme = await addOrganization(db);
  await linkCustomer(db, acme, { customer: "cus_1" });
  await sql`update metering.customer_links set linked_at = now() - interval '1 year'`.execute(db);
  await settleUsageAtOnce(db, 100_000);
  const entries = randomEntries(Date.now());
  await appendEntries(db, acme, entries);

  const ask = async (when: string) => {
    for (const query of randomQuestions()) {
      const usage = await readUsage(db, acme, query);
      const told = usage.map(({ start, end, quantity }) => ({ start, end, quantity }));
      expect(told, `${when}: ${JSON.stringify(query)}`).toEqual(
        usage.map(({ start, end }) => ({ start, end, quantity: used(entries, { ...query, start, end }) })),
      );
      const edges = [query.from, ...usage.map(({ end }) => end)];
      expect([...usage.map(({ start }) => start), query.to]).toEqual(edges);
    }
  };
  await ask("unsealed");
  await sealDueEntries({ db, boss }, { meters: meterNames });
  await ask("sealed");
  expect(await addUpUsage(db)).toBeGreaterThan(0);
  await ask("added up");
});

test.for([
  // Midnight comes twice, and the day begins with the first.
  ["Atlantic/Azores", "2026-10-24T00:00Z", "2026-10-25T00:00Z", "2026-10-26T01:00Z"],
  ["America/Havana", "2026-10-31T04:00Z", "2026-11-01T04:00Z", "2026-11-02T05:00Z"],
  // The last hour before midnight comes twice.
  ["Africa/Cairo", "2026-10-28T21:00Z", "2026-10-29T22:00Z", "2026-10-30T22:00Z"],
  // Midnight does not come.
  ["Africa/Cairo", "2026-04-22T22:00Z", "2026-04-23T22:00Z", "2026-04-24T21:00Z"],
  ["Europe/Berlin", "2026-10-24T22:00Z", "2026-10-25T23:00Z", "2026-10-26T23:00Z"],
] as const)(
  "in %s a day begins at %s, the next at %s",
  async ([timeZone, ...midnights], { database: { db } }) => {
    const acme = await addOrganization(db);
    const [from, next, to] = midnights.map((midnight) => new Date(midnight));
    if (from === undefined || next === undefined || to === undefined)
      throw new Error("two days have three edges");
    await appendEntries(db, acme, [
      { at: new Date(next.getTime() - 1), quantity: 1 },
      { at: new Date(next.getTime() + hourMs / 2), quantity: 2 },
    ]);
    const question = { meter: "temperature_readings", granularity: "day", timeZone, keptFrom: null } as const;
    const days = [
      { start: from, end: next, quantity: 1 },
      { start: next, end: to, quantity: 2 },
    ];
    expect(await readUsage(db, acme, { ...question, from, to })).toMatchObject(days);
    expect(await readUsageByEntries(db, acme, { ...question, from, to })).toMatchObject(days);
    // Asked in the first hour of the day, which comes twice.
    const late = new Date(next.getTime() + 1);
    expect(await readUsage(db, acme, { ...question, from: late, to })).toMatchObject([
      { start: late, end: to, quantity: 2 },
    ]);
  },
);

/** Of the last hundred days; the closer to now, the denser. No two have one time, so that each gauge has one latest value. */
function randomEntries(nowMs: number): Entry[] {
  return meterNames.flatMap((meter) =>
    Array.from({ length: 400 }, (_, index) => ({
      at: new Date(Math.floor(nowMs - hourMs * 1.02 ** (index + Math.random() * 0.9))),
      quantity: 1 + randomBelow(1_000),
      meter,
    })),
  );
}

function randomQuestions(): UsageQuery[] {
  return granularities.flatMap((granularity) =>
    Array.from({ length: bucketsMax * questionsEach }, (_, index) => {
      const step = pick(steps);
      const bucketMs = granularityMs[granularity];
      const count = 1 + (index % bucketsMax);
      const fromMs = Date.now() - (count + randomBelow(2)) * bucketMs - randomBelow(bucketMs);
      const from = Math.floor(fromMs / step) * step;
      const to = Math.ceil((from + count * bucketMs - randomBelow(bucketMs)) / step) * step;
      return {
        meter: pick(meterNames),
        granularity,
        timeZone: pick(zones),
        keptFrom: null,
        from: new Date(from),
        to: new Date(Math.max(to, from + step)),
      };
    }),
  );
}

function used(entries: readonly Entry[], { meter, start, end }: { meter: string; start: Date; end: Date }) {
  const within = entries.filter((entry) => entry.meter === meter && entry.at >= start && entry.at < end);
  if (meter === "temperature_readings") return within.reduce((sum, { quantity }) => sum + quantity, 0);
  return within.toSorted((a, b) => a.at.getTime() - b.at.getTime()).at(-1)?.quantity ?? 0;
}

function pick<T>(from: readonly T[]): T {
  const picked = from[randomBelow(from.length)];
  if (picked === undefined) throw new Error("nothing to pick from");
  return picked;
}

function randomBelow(end: number): number {
  return Math.floor(Math.random() * end);
}
