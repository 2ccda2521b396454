import fc from "fast-check";
import { expect } from "vitest";
import { z } from "zod";
import { sealDueEntries } from "../../outbox/seal.ts";
import type { Api } from "../../testing/fixtures/api-fixture.ts";
import { findViolations } from "../../testing/rows/invariants.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { roadTest as test } from "../../testing/fixtures/road-fixture.ts";
import type { TestDatabase } from "../../testing/postgres/test-database.ts";
import { meterNames } from "../../usage/meters.ts";
import { patienceMs } from "../../testing/processes/patience.ts";

const runs = 60;
/** Many times the time of an idle machine. */
const timeout = patienceMs(180_000);
/** Sooner than that, so that fast-check reports the failure, with its seed. */
const timeLimitMs = timeout - 10_000;
const organizations = 3;
const minuteMs = 60_000;
const dayMs = 1_440 * minuteMs;
const startMs = Math.floor(Date.now() / minuteMs) * minuteMs - 60 * minuteMs;

/** A reading that may be stored, with its owner and number in `key`. Or input with the one answer that it must get. */
type Element = { input: unknown } & ({ key: string; temperature: number } | { refusedAs: string });
type Post = { organization: number; elements: Element[] };
/** Posts that are under way at once, maybe together with a seal. */
type Round = { posts: Post[]; seals: boolean };

const at = (ms: number) => new Date(ms).toISOString();
const good = { sensor_id: "a", recorded_at: at(startMs), temperature: 1 };

const refused = fc.constantFrom<Element>(
  { refusedAs: "unknown_sensor", input: { ...good, sensor_id: "nobody" } },
  { refusedAs: "too_old", input: { ...good, recorded_at: at(startMs - 366 * dayMs) } },
  { refusedAs: "in_future", input: { ...good, recorded_at: at(startMs + dayMs) } },
  { refusedAs: "invalid", input: { ...good, temperature: "1" } },
  { refusedAs: "invalid", input: { ...good, humidity: 40 } },
  { refusedAs: "invalid", input: { sensor_id: "a" } },
  { refusedAs: "invalid", input: null },
);

/** Few keys and values, so that many posts have some in common. No two organizations have a temperature in common. */
function storable(organization: number): fc.Arbitrary<Element> {
  return fc.tuple(fc.constantFrom("a", "b"), fc.nat(3), fc.nat(2)).map(([sensor_id, minute, degrees]) => {
    const recorded_at = at(startMs + minute * minuteMs);
    const temperature = organization * 10 + degrees;
    const key = `${organization} ${sensor_id} ${recorded_at}`;
    return { input: { sensor_id, recorded_at, temperature }, key, temperature };
  });
}

function postOf(organization: number): fc.Arbitrary<Post> {
  const element = fc.oneof(
    { arbitrary: storable(organization), weight: 5 },
    { arbitrary: refused, weight: 1 },
  );
  return fc.record({
    organization: fc.constant(organization),
    elements: fc.array(element, { minLength: 1, maxLength: 8 }),
  });
}

const posts = fc.array(fc.oneof(...Array.from({ length: organizations }, (_, n) => postOf(n))), {
  minLength: 1,
  maxLength: 5,
});
const plan: fc.Arbitrary<Round[]> = fc.array(fc.record({ posts, seals: fc.boolean() }), {
  minLength: 1,
  maxLength: 4,
});

test(
  "the first value of each reading is stored, counted and billed once, each organization's apart",
  { timeout },
  async ({ api, boss, database }) => {
    const { db } = database;
    const seal = () => sealDueEntries({ db, boss }, { meters: meterNames });
    const property = fc.asyncProperty(plan, async (rounds) => {
      const members = await Promise.all(Array.from({ length: organizations }, () => join(api)));
      for (const { id } of members) await linkCustomer(db, id, { customer: `cus_${id}` });
      const told: Told[] = [];
      for (const [round, { posts: underWay, seals }] of rounds.entries()) {
        const sending = underWay.map((post) => send(api, { post, token: members[post.organization]?.key }));
        const [answers] = await Promise.all([Promise.all(sending), seals && seal()]);
        told.push(...answers.flat().map((answer) => ({ ...answer, round })));
      }
      await seal();

      expect(contradictions(told)).toEqual([]);
      const expected = told.filter(({ code }) => code === "accepted").map(describeReading);
      const stored = await Promise.all(
        members.map(({ id }, organization) => readStored(database, { id, organization })),
      );
      expect(stored.flat()).toEqual(expected.toSorted());
      const billed = await Promise.all(members.map(({ id }) => readBilled(database, id)));
      expect(billed).toEqual(members.map((_, n) => expected.filter((row) => row.startsWith(`${n} `)).length));
      expect(await findViolations(db)).toEqual([]);
    });
    const limits = { interruptAfterTimeLimit: timeLimitMs, markInterruptAsFailure: true };
    await fc.assert(property, { numRuns: runs, ...limits });
  },
);

async function join(api: Api): Promise<{ id: string; key: string }> {
  const member = await api.join();
  const json = { sensors: [{ id: "a" }, { id: "b" }] };
  await api.ask("POST", "/v1/sensors", { token: member.key, json });
  return member;
}

/** The answer about one element. */
type Told = { element: Element; post: Post; round: number; code: string; detail: string };

const answerSchema = z.object({
  results: z.array(z.object({ index: z.int(), code: z.string(), detail: z.string() })),
});

async function send(
  api: Api,
  { post, token = "" }: { post: Post; token: string | undefined },
): Promise<Omit<Told, "round">[]> {
  const json = post.elements.map(({ input }) => input);
  const answer = await api.ask("POST", "/v1/readings", { token, json });
  const { results } = answerSchema.parse(answer.body);
  return post.elements.map((element, index) => {
    const { code = "accepted", detail = "" } = results.find((result) => result.index === index) ?? {};
    return { element, post, code, detail };
  });
}

/**
 * Contradictions between answers and input, or among answers. Which of the posts of one round came first is not known.
 */
function contradictions(told: Told[]): string[] {
  const misjudged = told.filter(({ element, code }) => "refusedAs" in element && element.refusedAs !== code);
  const rivals = Map.groupBy(told, ({ element }) => ("key" in element ? element.key : undefined));
  rivals.delete(undefined);
  return [...misjudged, ...[...rivals.values()].flatMap(misjudgedRivals)].map(
    (one) => `round ${one.round}: ${describeReading(one)} was told ${one.code} ${one.detail}`,
  );
}

/** Contradictions among all answers about one reading, in the order of the rounds; all of them without one winner. */
function misjudgedRivals(rivals: Told[]): Told[] {
  const [winner, ...others] = rivals.filter(({ code }) => code === "accepted");
  if (winner === undefined || others.length > 0) return rivals;
  const isFirst =
    winner === rivals.find(({ post }) => post === winner.post) && winner.round === rivals[0]?.round;
  const value = temperatureOf(winner);
  return rivals.filter((one) => {
    if (one === winner) return !isFirst;
    if (temperatureOf(one) === value) return one.code !== "duplicate";
    return one.code !== "conflict" || !one.detail.startsWith(`${value} °C`);
  });
}

function temperatureOf({ element }: Told): number | undefined {
  return "key" in element ? element.temperature : undefined;
}

function describeReading({ element }: Told): string {
  return "key" in element ? `${element.key} ${element.temperature}` : JSON.stringify(element.input);
}

/** The organization's rows, described in the same way. */
async function readStored(
  { db }: TestDatabase,
  { id, organization }: { id: string; organization: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom("readings")
    .selectAll()
    .where("organization_id", "=", id)
    .orderBy("sensor_id")
    .orderBy("recorded_at")
    .execute();
  return rows.map(
    (row) => `${organization} ${row.sensor_id} ${row.recorded_at.toISOString()} ${row.temperature}`,
  );
}

/** How many readings the organization's meter events bill. */
async function readBilled({ db }: TestDatabase, id: string): Promise<number> {
  const events = await db
    .selectFrom("meter_events")
    .select("quantity")
    .where("organization_id", "=", id)
    .execute();
  return events.reduce((sum, { quantity }) => sum + Number(quantity), 0);
}
