import { sql } from "kysely";
import { expect } from "vitest";
import { meterEventsTest as test } from "../testing/fixtures/meter-events-fixture.ts";
import { appendEntries, type NewEntry } from "../testing/rows/entries.ts";
import { addOrganization, linkCustomer } from "../testing/rows/organizations.ts";
import { settleUsageAtOnce } from "../testing/rows/settle-usage.ts";
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
