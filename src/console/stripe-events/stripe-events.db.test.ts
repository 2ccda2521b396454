import { sql } from "kysely";
import { expect } from "vitest";
import { whyNoBrowser } from "../../testing/browser/chromium.ts";
import { adminToken, consoleTest, readerToken } from "../../testing/fixtures/console-fixture.ts";
import type { Db } from "../../database/db.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);
const markup = "<script>alert(1)</script>";

/** Stores an event as if its handling had failed. */
async function storeFailed(db: Db, id: string): Promise<void> {
  const secret = ["sk", "live", "51Habcdefghij"].join("_");
  const payload = {
    id,
    data: { object: { description: markup, client_secret: "cs_x", note: `use ${secret}` } },
  };
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, state, attempts, error)
    values (${id}, 'customer.updated', false, ${JSON.stringify(payload)}::jsonb, 'failed', 3, ${markup})
  `.execute(db);
}

test("the inbox is shown by state, and one event with its payload, secrets hidden", async ({
  visit,
  database: { db },
}) => {
  await storeFailed(db, "evt_1");
  const { page, see } = await visit();
  await see("/console/stripe-events");
  expect(await page.locator("tbody tr").allInnerTexts()).toMatchObject([expect.stringContaining(markup)]);
  await page.getByRole("link", { name: "handled" }).click();
  expect(await page.getByText("No event is handled.").count()).toBe(1);
  await see("/console/stripe-events/evt_1");
  const payload = await page.locator("pre").innerText();
  expect(payload).toContain(markup);
  expect(payload).toContain('"client_secret": "[hidden]"');
  expect(payload).toContain("use [hidden]");
  expect(await page.content()).not.toContain("51Habcdefghij");
});

test("a failed event is replayed after a question, and it is written down", async ({
  visit,
  database: { db },
}) => {
  await storeFailed(db, "evt_1");
  const { page, see } = await visit({ name: "Ada" });
  await see("/console/stripe-events/evt_1");
  await page.getByRole("link", { name: "Replay" }).click();
  await page.getByRole("button", { name: "Replay" }).click();
  await page.getByText("The event will be handled again.").waitFor();
  await see("/console/actions");
  expect(await page.locator("tbody tr").first().innerText()).toMatch(
    /Ada \(console\)\s+replay stripe event\s+evt_1/,
  );
});

test("a failed event is dismissed for a reason, written down, and taken up again by Replay", async ({
  visit,
  database: { db },
}) => {
  await storeFailed(db, "evt_1");
  const { page, see } = await visit({ name: "Ada" });
  await see("/console/stripe-events/evt_1");
  await page.getByRole("link", { name: "Dismiss" }).click();
  await page.getByRole("heading", { name: "Dismiss this event?" }).waitFor();
  await see(page.url());
  await page.getByLabel("Reason").fill("made by hand <b>yesterday</b>");
  await page.getByRole("button", { name: "Dismiss" }).click();
  await page.getByText("The event is put aside.").waitFor();
  const main = await page.getByRole("main").innerText();
  expect(main).toContain("Nothing: an operator dismissed it.");
  expect(main).toContain("made by hand <b>yesterday</b>");
  expect(await page.getByRole("link", { name: "Dismiss" }).count()).toBe(0);
  await see("/console/actions");
  expect(await page.locator("tbody tr").first().innerText()).toMatch(
    /Ada \(console\)\s+dismiss stripe event\s+evt_1\s+made by hand <b>yesterday<\/b>\s+1/,
  );

  await see("/console/stripe-events/evt_1");
  await page.getByRole("link", { name: "Replay" }).click();
  await page.getByRole("button", { name: "Replay" }).click();
  await page.getByText("The event will be handled again.").waitFor();
});

test("what is no event, no state or not to be replayed is told", async ({ site, database: { db } }) => {
  await storeFailed(db, "evt_1");
  const status = async (token: string, path: string, method = "GET", fields?: Record<string, string>) => {
    const headers = { cookie: await site.signIn(token), origin: site.url };
    const body = fields && { body: new URLSearchParams(fields) };
    return (await site.ask(`/console/stripe-events${path}`, { method, headers, ...body })).status;
  };
  expect(await status(adminToken, "/evt_none")).toBe(404);
  expect(await status(adminToken, "?state=open")).toBe(400);
  expect(await status(readerToken, "/evt_1/replay", "POST")).toBe(403);
  expect(await status(readerToken, "/evt_1/dismiss")).toBe(403);
  expect(await status(readerToken, "/evt_1/dismiss", "POST", { reason: "x" })).toBe(403);
  expect(await status(adminToken, "/evt_1/dismiss", "POST")).toBe(400);
  expect(await status(adminToken, "/evt_none/dismiss", "POST", { reason: "x" })).toBe(404);
  expect(await status(adminToken, "/evt_1/replay", "POST")).toBe(303);
  expect(await status(adminToken, "/evt_1/replay", "POST")).toBe(409);
  expect(await status(adminToken, "/evt_1/dismiss", "POST", { reason: "x" })).toBe(409);
});
