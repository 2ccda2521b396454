import { sql } from "kysely";
import { expect } from "vitest";
import { pauseDelivery } from "../../delivery/pauses.ts";
import { whyNoBrowser } from "../../testing/browser/chromium.ts";
import { consoleTest } from "../../testing/fixtures/console-fixture.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);

test("the road shows what waits and since when, and what left it", async ({ visit, database: { db } }) => {
  const linked = await addOrganization(db, { customer: "cus_linked" });
  await appendEntries(db, linked, [{ at: hoursAgo(3, 1), quantity: 7 }]);
  await appendEntries(db, await addOrganization(db), [{ at: hoursAgo(30, 1), quantity: 1 }]);
  for (const state of ["pending", "delivered", "delivered", "in_doubt", "rejected", "expired"])
    await addMeterEvent(db, { organization_id: linked, stripe_customer_id: "cus_linked", state });
  const { page, see } = await visit();
  await see("/console");

  const station = (name: string) => page.getByRole("listitem").filter({ hasText: name }).first();
  expect(await station("Unsealed").innerText()).toMatch(/1\n[^]*1 entry to seal/);
  expect(await station("Pending").innerText()).toMatch(/1\n[^]*0 in flight/);
  expect(await station("Delivered").innerText()).toMatch(/2\n[^]*10 units/);
  const aside = page.getByRole("region", { name: "Beside the road" }).getByRole("listitem");
  expect((await aside.allInnerTexts()).map((text) => text.split("\n")[0])).toEqual(["1", "1", "1", "1"]);
  const attention = await page.getByRole("region", { name: "Needs attention" }).innerText();
  expect(attention).toContain("held for 1d 6h");
  expect(attention).toContain("Link the organization to its Stripe customer");
});

test("an empty road says so, and a pause shows by itself", async ({ visit, database: { db } }) => {
  const { page, see } = await visit();
  await see("/console");
  expect(await page.getByText("No entry waits for the seal.").count()).toBe(1);
  expect(await page.getByText("Nothing. No alert").count()).toBe(1);

  await pauseDelivery(db, "<i>the bank called</i>");
  await page.getByText("All delivery is paused").waitFor();
  expect(await page.getByRole("status").innerText()).toContain("<i>the bank called</i>");
  expect(await page.getByRole("status").innerText()).toContain("until somebody resumes it");
});

test("without the database the page says so, and keeps the last figures with their age", async ({
  visit,
  database: { db },
}) => {
  await addMeterEvent(db, { state: "rejected" });
  const { page, see } = await visit();
  await see("/console");
  await sql`alter table metering.meter_event_total rename to away`.execute(db);

  await page.getByText("The database does not answer.").waitFor();
  const rejected = page.getByRole("listitem").filter({ hasText: "Stripe refused them" });
  expect(await rejected.innerText()).toMatch(/^1\n/);
});

test("without JavaScript, on a phone and in the dark the same stands there", async ({ visit }) => {
  const { page, see } = await visit({
    colorScheme: "dark",
    viewport: { width: 390, height: 844 },
  });
  await see("/console");
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  const plain = await visit({ javaScriptEnabled: false });
  await plain.page.goto("/console");
  expect(await plain.page.getByRole("heading", { name: "Needs attention" }).count()).toBe(1);
});
