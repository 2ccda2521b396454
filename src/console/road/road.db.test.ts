import { sql } from "kysely";
import { expect, onTestFinished } from "vitest";
import type { Db } from "../../database/db.ts";
import { pauseDelivery } from "../../delivery/pauses.ts";
import { whyNoBrowser } from "../../testing/browser/chromium.ts";
import { consoleTest, openSite } from "../../testing/fixtures/console-fixture.ts";
import { holdOpen } from "../../testing/postgres/locks.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);

test("the road shows what waits and since when, and what left it", async ({ visit, database: { db } }) => {
  const linked = await addOrganization(db, { customer: "cus_linked" });
  await appendEntries(db, linked, [{ at: hoursAgo(3, 1), quantity: 7 }]);
  const heldSince = new Date(Date.now() - 30.5 * 3_600_000);
  await appendEntries(db, await addOrganization(db), [{ at: heldSince, quantity: 1 }]);
  for (const state of ["pending", "delivered", "delivered", "in_doubt", "rejected", "expired"])
    await addMeterEvent(db, { organization_id: linked, stripe_customer_id: "cus_linked", state });
  const { page, see } = await visit();
  await see("/console");

  const station = (name: string) => page.getByRole("listitem").filter({ hasText: name }).first();
  expect(await station("Unsealed").innerText()).toMatch(/1\n[^]*1 entry to seal/);
  expect(await station("Pending").innerText()).toMatch(/1\n[^]*0 in flight/);
  expect(await station("Delivered").innerText()).toMatch(/–\n[^]*2 meter events at Stripe so far, 10 units/);
  expect(await station("Readings").innerText()).toContain("No worker has counted the latest minute.");
  expect(await station("Stripe's sum").innerText()).toContain("No billing period runs.");
  const aside = page.getByRole("region", { name: "Beside the road" }).getByRole("listitem");
  // While the figures renew themselves, the new ones are there for a moment before the old ones go.
  const firstLines = async () => (await aside.allInnerTexts()).map((text) => text.split("\n")[0]);
  await expect.poll(firstLines).toEqual(["1", "1", "1", "1"]);
  const attention = await page.getByRole("region", { name: "Needs attention" }).innerText();
  expect(attention).toContain("held for 1d 6h");
  expect(attention).toContain("Link the organization to its Stripe customer");
});

test("the oldest undelivered usage is not called pending where it is in doubt", async ({
  site,
  database: { db },
}) => {
  await addMeterEvent(db, { state: "in_doubt", event_at: hoursAgo(72) });
  const cookie = await site.signIn(site.adminToken);
  const page = await (await site.ask("/console", { headers: { cookie } })).text();
  const [station = ""] = /state-pending[^]*?<\/li>/.exec(page) ?? [];
  expect(station.replaceAll(/<[^>]*>/g, "")).toContain(
    "0 in flight to Stripe; the oldest usage that is pending or in doubt is of 3 days ago",
  );
});

test("what is held for want of a customer does not make the seal look late", async ({
  visit,
  database: { db },
}) => {
  const heldSince = new Date(Date.now() - 30.5 * 3_600_000);
  await appendEntries(db, await addOrganization(db), [{ at: heldSince, quantity: 1 }]);
  const { page, see } = await visit();
  await see("/console");
  const unsealed = page.getByRole("listitem").filter({ hasText: "Unsealed" });
  expect(await unsealed.innerText()).toMatch(/0\n+No entry waits for the seal\.$/);
  const linked = await addOrganization(db, { customer: "cus_linked" });
  await appendEntries(db, linked, [{ at: new Date(Date.now() - 600_000), quantity: 7 }]);
  await unsealed.getByText("1 entry to seal, the oldest from 10 min ago").waitFor();
});

test("a number beside the road stands in one line", async ({ visit, database: { db } }) => {
  const held = Array.from({ length: 1_234 }, (_, minute) => ({ at: hoursAgo(30, minute), quantity: 1 }));
  await appendEntries(db, await addOrganization(db), held);
  const { page } = await visit();
  await page.goto("/console");
  await page.locator(".aside").first().getByText("1,234").waitFor();
  const lines = `[...document.querySelectorAll(".aside .number")].map((number) => {
    const range = document.createRange();
    range.selectNodeContents(number);
    return range.getClientRects().length;
  })`;
  expect(await page.evaluate(lines)).toEqual([1, 1, 1, 1]);
});

test("workers that send nothing on purpose are told of on top", async ({ site, database: { db } }) => {
  const headers = { cookie: await site.signIn(site.adminToken) };
  const read = async () => (await site.ask("/console", { headers })).text();
  expect(await read()).not.toContain("on purpose");
  await sql`
    insert into metering.processes (id, kind, transport) values (gen_random_uuid(), 'worker', 'none')
  `.execute(db);
  expect(await read()).toContain("Nothing is sent to Stripe, on purpose");
});

test("the road tells the rate of the latest minute, and Stripe's sum of the running periods", async ({
  visit,
  database: { db },
}) => {
  const [acme, bell] = [
    await addOrganization(db, { customer: "cus_a" }),
    await addOrganization(db, { customer: "cus_b" }),
  ];
  await figuresOf(db, 1, { quantity: 90, delivered: 7 });
  for (const [id, customer] of [
    [acme, "cus_a"],
    [bell, "cus_b"],
  ] as const) {
    await sql`
      insert into metering.billing_periods (organization_id, period_start, period_end, stripe_customer_id)
      values (${id}, date_trunc('hour', now()) - interval '3 days', now() + interval '9 days', ${customer})
      on conflict do nothing
    `.execute(db);
  }
  for (const [hours, theirs] of [
    [2, 500],
    [1, 1_234],
  ] as const) {
    await sql`
      insert into metering.reconciliations (
        organization_id, meter, stripe_customer_id, window_start, window_end, cause, ours, theirs, events, fingerprint,
        reads, result
      )
      values (
        ${acme}, 'temperature_readings', 'cus_a', date_trunc('hour', now()) - interval '3 days',
        date_trunc('hour', now()) - make_interval(hours => ${hours}), 'routine', 1240, ${theirs}, 3, 'f', 1,
        'different'
      )
    `.execute(db);
  }
  const { page, see } = await visit();
  await see("/console");
  const station = (name: string) => page.getByRole("listitem").filter({ hasText: name }).first();
  expect(await station("Readings").innerText()).toMatch(/1\.5\n[^]*90 readings in the minute until/);
  expect(await station("Delivered").innerText()).toMatch(/a minute\n+7\n/);
  const sum = await station("Stripe's sum").innerText();
  expect(sum).toMatch(/1,234\n[^]*1 of 2 running periods; ours 1,240, 1 customer different/);
});

test("plots are drawn of the last hour, day and week, a missed minute is a gap, and a new one is drawn by itself", async ({
  visit,
  database: { db },
}) => {
  const end = presentMinute();
  for (let minute = 1; minute <= 30; minute += 1) {
    if (minute !== 10)
      await figuresOf(db, minute, { quantity: 60 * minute, delivered: minute, unsealed_seconds: 4 }, end);
  }
  const { page, see, faults } = await visit();
  await see("/console?span=nothing");
  const plots = page.getByRole("region", { name: "The last hour" });
  await plots.locator("canvas").nth(4).waitFor();
  expect(await plots.locator("canvas").count()).toBe(5);
  const intake = plots.getByRole("figure").filter({ hasText: "Intake" });
  expect(await intake.locator(".u-legend").innerText()).toMatch(
    /UTC\s*20\d\d-\d\d-\d\d \d\d:\d\d\s*temperature readings\s*1$/,
  );
  await intake.getByText("The numbers").click();
  const rows = intake.locator("details tbody tr");
  expect(await rows.count()).toBe(60);
  const cells = (await rows.locator("td").allInnerTexts()).toReversed().slice(0, 11);
  expect(cells).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9", "–", "11"]);

  await db
    .updateTable("figure_progress")
    .set({ written_until: sql`written_until + interval '1 minute'` })
    .execute();
  await expect.poll(async () => (await rows.locator("td").allInnerTexts()).at(-2)).toBe("1");
  expect(await plots.locator("canvas").count()).toBe(5);
  expect(await intake.getByRole("row").first().isVisible()).toBe(true);

  for (const span of ["day", "week"]) {
    await page.locator("#plots").getByRole("link", { name: span }).click();
    await page
      .getByRole("region", { name: `The last ${span}` })
      .locator("canvas")
      .nth(4)
      .waitFor();
  }
  expect(faults).toEqual([]);
});

test("what doctor finds in the database stands under the alerts, each with what to do", async ({
  site,
  database: { db },
}) => {
  const linked = await addOrganization(db, { customer: "cus_gone" });
  await sql`update metering.subscriptions set customer_fault = 'unknown' where organization_id = ${linked}`.execute(
    db,
  );
  const cookie = await site.signIn(site.adminToken);
  const page = await (await site.ask("/console", { headers: { cookie } })).text();
  expect(page).toMatch(/worker<\/strong> none has ever run[^]*nothing is sealed or sent without one/);
  expect(page).toMatch(/cus_gone of organization \S+ is not known to Stripe[^]*link another customer/);
});

test("while a right is missing that the alerts need, as after an upgrade, the start page tells of it", async ({
  site,
  database,
}) => {
  const { rows } = await sql<{ role: string }>`select current_user as role`.execute(database.as("api").db);
  const role = sql.id(rows[0]?.role ?? "");
  await sql`revoke select on metering.reconcile_reads from ${role}`.execute(database.db);
  const cookie = await site.signIn(site.adminToken);
  const answer = await site.ask("/console", { headers: { cookie } });
  expect(answer.status).toBe(200);
  const page = await answer.text();
  expect(page).toMatch(/alerts<\/strong> permission denied for table reconcile_reads/);
  expect(page).toContain("run scripts/roles.sql as the owner after every migration");
});

test("the start page does not wait while what needs attention takes long to find out, and shows it once it is known", async ({
  database,
  boss,
}) => {
  const site = await openSite({ ...database.as("api"), boss }, { attentionWaitMs: 0 });
  onTestFinished(site.close);
  await addMeterEvent(database.db, { state: "rejected" });
  const cookie = await site.signIn(site.adminToken);
  const read = async (path: string) => (await site.ask(path, { headers: { cookie } })).text();
  const release = await holdOpen(
    database.pool,
    "lock table metering.billing_invoices in access exclusive mode",
  );
  try {
    for (const path of ["/console", "/console/road/live"]) {
      const page = await read(path);
      expect(page, path).toMatch(/1<\/span>[^]*Stripe refused them/);
      expect(page, path).toContain("It is being looked at");
    }
  } finally {
    await release();
  }
  await expect.poll(() => read("/console/road/live")).toContain("none has ever run");
  expect(await read("/console")).toContain("rejected</strong> meter events: 1");
});

test("the keyboard stays where it is while the figures renew themselves", async ({
  visit,
  database: { db },
}) => {
  const { page } = await visit();
  await page.goto("/console");
  const pending = page.getByRole("link", { name: "Pending", exact: true });
  await pending.focus();
  await addMeterEvent(db, {});
  await page.getByRole("listitem").filter({ hasText: "Pending" }).getByText("1", { exact: true }).waitFor();
  // What has just come has the reader's own time on hover, too.
  expect(await page.locator("#live time").last().getAttribute("title")).toMatch(/GMT\+[12] \(your time\)$/);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/console/meter-events?state=pending");
});

test("a minute is sent to an open page once", async ({ site, database: { db } }) => {
  await figuresOf(db, 1, {});
  const cookie = await site.signIn(site.adminToken);
  const ask = (until: string) =>
    site.ask(`/console/road/plots?span=hour&until=${until}`, { headers: { cookie } });
  const first = await ask("");
  expect(first.status).toBe(200);
  const [, until = ""] = /until=([^"]*)"/.exec(await first.text()) ?? [];
  expect((await ask(until)).status).toBe(204);
  expect((await site.ask("/console/road/plots?span=hour")).status).toBe(303);
});

test("an empty road says so, and a pause shows by itself", async ({ visit, database: { db } }) => {
  await sql`
    insert into metering.processes (id, kind, transport)
    values (gen_random_uuid(), 'api', null), (gen_random_uuid(), 'worker', 'sync')
  `.execute(db);
  const { page, see } = await visit();
  await see("/console");
  expect(await page.getByText("No entry waits for the seal.").count()).toBe(1);
  const attention = page.getByRole("region", { name: "Needs attention" });
  expect(await attention.innerText()).toContain("Nothing. No alert");

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
  const aside = page.getByRole("region", { name: "Beside the road" });
  const rejected = aside.getByRole("listitem").filter({ hasText: "Stripe refused them" });
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
  await plain.page.goto("/console?span=week");
  expect(await plain.page.getByRole("heading", { name: "Needs attention" }).count()).toBe(1);
  const tables = plain.page.getByRole("region", { name: "The last week" }).getByRole("table");
  expect(await tables.count()).toBe(5);
  expect(await tables.first().getByRole("row").nth(168).isVisible()).toBe(true);
});

const nothing = {
  entries: 0,
  quantity: 0,
  delivered: 0,
  delivered_quantity: 0,
  rejected: 0,
  retried: 0,
  unanswered: 0,
};
const noneWaits = { unsealed_entries: 0, unsealed_seconds: 0, pending: 0, pending_seconds: 0 };

/** In Unix milliseconds. */
function presentMinute(): number {
  return Math.floor(Date.now() / 60_000) * 60_000;
}

/** Figures of the minute that ended so many minutes ago; the latest one is that which has just ended. */
async function figuresOf(
  db: Db,
  minutes: number,
  figures: Partial<Record<keyof typeof nothing | keyof typeof noneWaits, number>>,
  end = presentMinute(),
): Promise<void> {
  const minute = new Date(end - minutes * 60_000);
  const row = {
    minute,
    meter: "temperature_readings",
    latencies: { "40": 2 },
    ...nothing,
    ...noneWaits,
    ...figures,
  };
  await db.insertInto("minute_figures").values(row).execute();
  const until = new Date(end);
  await db.updateTable("figure_progress").set({ written_until: until, final_until: until }).execute();
}
