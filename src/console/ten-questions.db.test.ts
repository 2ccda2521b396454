import { readFile } from "node:fs/promises";
import { sql } from "kysely";
import type { PgBoss } from "pg-boss";
import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { actAs } from "../actions/operator-actions.ts";
import type { Db } from "../database/db.ts";
import { trip } from "../delivery/pauses.ts";
import { sealDueEntries } from "../outbox/seal.ts";
import { writeLooks } from "../reconciliation/looks.ts";
import { whyNoBrowser } from "../testing/browser/chromium.ts";
import { consoleTest } from "../testing/fixtures/console-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { takeInOld } from "../testing/rows/old-usage.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { meterNames } from "../usage/meters.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);
const clicksMax = 4;
const tabsMax = 100;
const hourMs = 3_600_000;

/** What the reader knows at the end of each way of docs/console.md. */
const answers: Record<string, readonly RegExp[]> = {
  "Why has Acme nothing on its invoice?": [/none: its usage is held/],
  "What did Stripe say to this event?": [
    /Attempt 1[^]*rejected[^]*400[^]*No such customer[^]*req_1/,
    /Attempt 1[^]*rejected[^]*400[^]*No such customer[^]*req_1/,
  ],
  "Is last month closed?": [/closed\s+its invoice is final\s+1\b/, /Statement of Bell[^]*Closed\s+20/],
  "Why is nothing sent to Stripe?": [
    /All delivery is paused: unauthorized. Since \d+ s ago; the next probe (?:in|is due)[^]*Give the workers a Stripe key/,
    /Resume all delivery\?/,
  ],
  "Has Stripe counted what we sent?": [
    /Stripe's sum of its window[^]*Stripe's\s+5[^]*Ours\s+7/,
    /1 meter event of ours[^]*rejected/,
  ],
  "Which readings does this meter event bill?": [/1 entry[^]*Readings[^]*sensor-1[^]*4\.5 °C/],
  "A customer was deleted at Stripe by mistake, and is back. How do I send what was refused?": [
    /1 will be attempted again/,
  ],
  "Whose usage is held, and for how long has it been?": [/Acme[^]*1,234\s+since 20\d\d-/],
  "Who paused delivery yesterday, and why?": [/Ada \(console\)\s+pause delivery[^]*the prices change/],
  "A webhook failed. What was in it, and is it worth another try?": [
    /no such organization[^]*What Stripe sent[^]*evt_1/,
  ],
};

/** What the page calls by its kind, and not by its name. */
const things: Record<string, (page: Page) => Locator> = {
  "the event": (page) => page.getByRole("rowheader").getByRole("link").first(),
  "its periods": (page) =>
    page
      .getByRole("row", { name: /its invoice is final/ })
      .getByRole("link")
      .first(),
  "its statement": (page) =>
    page.getByRole("region", { name: "Periods", exact: true }).locator("tbody").getByRole("link").nth(1),
  "the window": (page) =>
    page.getByRole("region", { name: "Differences", exact: true }).locator("tbody").getByRole("link").nth(1),
  "the hour": (page) => page.getByRole("region", { name: "Parts", exact: true }).getByRole("link").first(),
};

type Question = { asks: string; ways: string[][] };

/** The questions of the page, each with its ways in the words of the page. */
async function readQuestions(): Promise<Question[]> {
  const text = await readFile(new URL("../../docs/console.md", import.meta.url), "utf8");
  const [, section = ""] = /^## Ten questions\n([^]*)/m.exec(text) ?? [];
  return section
    .split(/^\d+\. /m)
    .slice(1)
    .map((item) => ({
      asks: /^\*\*(.+?)\*\*/.exec(item)?.[1] ?? "",
      ways: [...item.matchAll(/^ +- The start page(.*)$/gm)].map(([, way = ""]) => way.split(" → ").slice(1)),
    }));
}

type Hand = "mouse" | "keyboard" | "mouse, without JavaScript";

/** The ways are walked with JavaScript and without it in turn; the longest by the keyboard alone. */
function handFor(asks: string, turn: number): Hand {
  if (asks.startsWith("A customer was deleted")) return "keyboard";
  return turn % 2 === 0 ? "mouse" : "mouse, without JavaScript";
}

/** Does what one step of a way says, and waits for the page that it leads to. One click. */
async function click(page: Page, step: string, hand: Hand): Promise<void> {
  const [, name, label, value = ""] = /^`(.+?)`(?: with _(.+?)_ “(.+?)”)?$/.exec(step) ?? [];
  const [, thing = ""] = /^_(.+)_$/.exec(step) ?? [];
  const exact = { name: name ?? "", exact: true };
  const target =
    name === undefined
      ? things[thing]?.(page)
      : page.getByRole("link", exact).or(page.getByRole("button", exact)).first();
  if (target === undefined) throw new Error(`docs/console.md says a step that is no step: ${step}`);
  if (label !== undefined && hand === "keyboard") {
    await tabTo(page, page.getByLabel(label));
    await page.keyboard.type(value);
  } else if (label !== undefined) await page.getByLabel(label).fill(value);
  if (hand === "keyboard") await tabTo(page, target);
  await Promise.all([
    page.waitForEvent("load"),
    hand === "keyboard" ? page.keyboard.press("Enter") : target.click(),
  ]);
}

/** Presses Tab until the keyboard is there. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let pressed = 0; pressed < tabsMax; pressed += 1) {
    if ((await target.and(page.locator(":focus")).count()) === 1) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the keyboard does not reach ${target.toString()}`);
}

test("each of the ten questions is answered within four clicks, by the ways that the page tells", async ({
  visit,
  database: { db },
  boss,
}) => {
  await addStories({ db, boss });
  const questions = await readQuestions();
  expect(questions.map(({ asks }) => asks)).toEqual(Object.keys(answers));
  expect(questions).toHaveLength(10);
  const { page: live, faults } = await visit();
  const { page: still } = await visit({ javaScriptEnabled: false });
  for (const [index, { asks, ways }] of questions.entries()) {
    expect(ways, asks).toHaveLength(answers[asks]?.length ?? 0);
    for (const [at, steps] of ways.entries()) {
      expect(steps.length, `${asks} ${steps.join(", ")}`).toBeLessThanOrEqual(clicksMax);
      const hand = handFor(asks, index + at);
      const page = hand === "mouse, without JavaScript" ? still : live;
      await page.goto("/console");
      for (const step of steps) await click(page, step, hand);
      expect(await page.getByRole("main").innerText(), `${asks} ${steps.join(", ")}, ${hand}`).toMatch(
        answers[asks]?.[at] ?? /^$/,
      );
    }
  }
  expect(faults).toEqual([]);
});

/** What the questions are about: one organization that no customer pays for, and one whose customer Stripe lost. */
async function addStories({ db, boss }: { db: Db; boss: PgBoss }): Promise<void> {
  const acme = await addOrganization(db);
  await appendEntries(db, acme, [{ at: hoursAgo(30), quantity: 1_234 }]);
  const [periodStart, periodEnd] = [hoursAgo(24 * 30), hoursAgo(1)];
  const bell = await addOrganization(db, { customer: "cus_bell", periodStart, periodEnd });
  await sql`update metering.organizations set name = 'Bell' where id = ${bell}`.execute(db);
  await takeInOld(db, [{ at: hoursAgo(5), readings: 7 }], bell);
  await sealDueEntries({ db, boss }, { meters: meterNames });
  await sql`
    with refused as (
      update metering.meter_events
      set state = 'rejected', reason = 'refused_by_stripe', last_error = 'No such customer', attempts_started = 1,
        attempts_finished = 1, first_attempt_at = now(), last_attempt_at = now()
      returning organization_id, id
    )
    insert into metering.delivery_attempts
      (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status, code, message, stripe_request_id)
    select organization_id, id, 1, now(), 140, 'rejected', 400, 'resource_missing', 'No such customer', 'req_1' from refused
  `.execute(db);
  await sql`
    update metering.billing_periods set closed_at = now(), books = 'different'
    where organization_id = ${bell} and period_start = ${periodStart}
  `.execute(db);
  const hour = hoursAgo(5);
  const windows = [
    { start: periodStart, end: periodEnd },
    { start: hour, end: new Date(hour.getTime() + hourMs) },
  ];
  const look = {
    organizationId: bell,
    customer: "cus_bell",
    meter: "temperature_readings",
    ours: "7",
    doubtful: "0",
    theirs: "5",
    events: 1,
    fingerprint: "x",
    result: "different",
    reason: null,
    readAt: new Date(),
    reads: 1,
  } as const;
  await writeLooks(
    db,
    windows.map((window) => ({ ...look, ...window })),
    "routine",
  );
  await trip(
    db,
    { scope: "account", firstMs: 60_000, maxMs: 60_000, reason: "unauthorized" },
    { isProbe: false },
  );
  await actAs(
    { db, operator: { via: "console", name: "Ada" } },
    async () => undefined,
    () => ({ action: "pause_delivery", subject: "account", reason: "the prices change" }),
  );
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, state, attempts, error)
    values ('evt_1', 'customer.updated', false, '{"id": "evt_1"}', 'failed', 3, 'no such organization')
  `.execute(db);
}
