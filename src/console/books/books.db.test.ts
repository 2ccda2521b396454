import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { startHeartbeat } from "../../monitoring/heartbeat.ts";
import { writeLooks } from "../../reconciliation/looks.ts";
import { whyNoBrowser } from "../../testing/browser/chromium.ts";
import { adminToken, consoleTest, readerToken } from "../../testing/fixtures/console-fixture.ts";
import { createRecordingLog } from "../../testing/processes/recording-log.ts";
import { until } from "../../testing/processes/until.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);
const markup = "Ac<b>me</b> & Söhne";
const unknown = "00000000-0000-7000-8000-000000000000";
const dayMs = 86_400_000;

/** An organization whose last period ended ten days ago, with a window and an hour of it that differ at Stripe. */
async function addDiffering(db: Db) {
  const [start, end] = [hoursAgo(40 * 24), hoursAgo(10 * 24)];
  const organizationId = await addOrganization(db, {
    customer: "cus_acme",
    periodStart: start,
    periodEnd: end,
  });
  await sql`update metering.organizations set name = ${markup} where id = ${organizationId}`.execute(db);
  await linkCustomer(db, organizationId, {
    customer: "cus_acme",
    periodStart: end,
    periodEnd: new Date(end.getTime() + 30 * dayMs),
  });
  await sql`
    update metering.billing_periods set books = 'different', not_billed = '{"temperature_readings": "12345678901234567890"}'
    where organization_id = ${organizationId} and period_start = ${start}
  `.execute(db);
  const hour = hoursAgo(20 * 24);
  const { meterEventId } = await addMeterEvent(db, {
    organization_id: organizationId,
    stripe_customer_id: "cus_acme",
    quantity: 1_234_567,
    event_at: new Date(hour.getTime() + 60_000),
    hour,
    state: "delivered",
    delivered_at: hour,
    last_error: "<i>once more</i>",
  });
  const shared = {
    organizationId,
    customer: "cus_acme",
    meter: "temperature_readings",
    ours: "1234567",
    doubtful: "0",
    theirs: "1234560.5",
    events: 1,
    fingerprint: "x",
    result: "different",
    reason: null,
    readAt: new Date(),
  } as const;
  const windows = [
    { start, end },
    { start: hour, end: new Date(hour.getTime() + 3_600_000) },
  ];
  await writeLooks(
    db,
    windows.map((window, index) => ({ ...shared, ...window, reads: index === 0 ? 1 : 0 })),
    "routine",
  );
  return { organizationId, start, meterEventId };
}

test("periods and differences are listed, down to the hour, its meter events and the statement", async ({
  visit,
  database: { db },
}) => {
  const { meterEventId } = await addDiffering(db);
  await addOrganization(db);
  const { page, see } = await visit();
  await see("/console/books");
  const periods = page.getByRole("region", { name: "Periods", exact: true });
  expect(await periods.locator("tbody tr").allInnerTexts()).toMatchObject([
    expect.stringMatching(/Ac<b>me<\/b> & Söhne[^]*○\s*open[^]*·\s*not yet/),
    expect.stringMatching(
      /◐\s*closing[^]*✕\s*different[^]*12,345,678,901,234,567,890 of temperature_readings/,
    ),
  ]);
  await page
    .getByRole("row", { name: /ended, its invoice is not final/ })
    .getByRole("link")
    .first()
    .click();
  expect(await periods.locator("tbody tr").count()).toBe(1);

  const differences = page.getByRole("region", { name: "Differences", exact: true });
  expect(await differences.locator("tbody tr").innerText()).toMatch(/1,234,567[^]*1,234,560\.5[^]*6\.5/);
  await differences.getByRole("link").nth(1).click();
  await see(page.url());
  await page.getByRole("region", { name: "Parts", exact: true }).getByRole("link").click();
  await see(page.url());
  const event = page.getByRole("region", { name: "Our meter events" }).locator("tbody tr");
  expect(await event.innerText()).toMatch(/1,234,567[^]*delivered[^]*<i>once more<\/i>/);
  await event.getByRole("link").click();
  await page.waitForURL(`**/console/meter-events/${meterEventId}`);

  await see("/console/books/differences");
  await page.getByRole("link", { name: markup }).click();
  await see(page.url());
  expect(await page.getByRole("region", { name: "Windows" }).locator("tbody tr").count()).toBe(2);
  await page.getByRole("region", { name: "Periods" }).getByRole("link").last().click();
  await see(page.url());
  expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe(`Statement of ${markup}`);
  expect(await page.getByText("stripe differs").count()).toBe(1);
});

test("a statement shows huge amounts exactly, as a page and as CSV, with its invoices", async ({
  visit,
  database: { db },
}) => {
  const { organizationId, start } = await addDiffering(db);
  await sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, status, invoiced, created_at, finalizes_at, held_until,
      gate_said, read_began_at
    )
    values (
      ${organizationId}, 'in_1', ${start}, 'cus_acme', 'draft', '{}', now(), now() + interval '1 hour', now(),
      'would_hold', now()
    )
  `.execute(db);
  const path = `/console/organizations/${organizationId}/statements/${start.toISOString()}`;
  const { page, see } = await visit();
  await see("/console/books");
  expect(await page.getByText("would be held: CLOSE_GATE=watch only says so").count()).toBe(1);
  await sql`
    update metering.billing_invoices set status = 'paid', invoiced = '{"temperature_readings": "90071992547409930001"}'
  `.execute(db);
  await see(path);
  const table = page.getByRole("region", { name: "What was used, sent and billed" });
  expect(await table.locator("tbody tr").first().innerText()).toMatch(
    /1,234,567[^]*1,234,560\.5[^]*90,071,992,547,409,930,001/,
  );
  expect(await page.getByRole("region", { name: "Invoices", exact: true }).innerText()).toContain("paid");
  const csv = await page.evaluate<string>(
    `fetch(document.querySelector("a[download]").href).then((answer) => answer.text())`,
  );
  expect(csv.split("\r\n")[1]).toContain("90071992547409930001");

  const plain = await visit({ javaScriptEnabled: false });
  await plain.page.goto(path);
  expect(await plain.page.getByText("90,071,992,547,409,930,001").isVisible()).toBe(true);
});

test("books are compared on demand, by a worker, and it is written down who asked", async ({
  visit,
  road,
  api,
}) => {
  const { id } = await road.join({ periodStart: hoursAgo(9 * 24), periodEnd: hoursAgo(-9 * 24) });
  const { page, see } = await visit({ name: "Ada" });
  await see(`/console/books/${id}`);
  await page.getByRole("link", { name: "Compare the running period now" }).click();
  const question = await page.getByRole("main").innerText();
  expect(question).toContain("at most 8 reads");
  expect(question).toContain("none has ever run");
  await page.getByRole("button", { name: "Compare" }).click();
  await page.getByText("A worker has not answered yet").waitFor();
  await see(page.url());

  await road.startWorker();
  await page.getByText("2 reads of Stripe's sums.").waitFor();
  const rows = page.locator("#answer tbody tr");
  expect(await rows.allInnerTexts()).toMatchObject([
    expect.stringContaining("equal"),
    expect.stringContaining("equal"),
  ]);
  await rows.first().getByRole("link").click();
  await see(page.url());

  await api.ask("POST", `/v1/organizations/${id}/reconcile`, { token: api.adminToken });
  await see("/console/actions");
  expect(await page.locator("tbody tr").allInnerTexts()).toMatchObject([
    expect.stringMatching(/api\s+reconcile/),
    expect.stringMatching(/Ada \(console\)\s+reconcile/),
  ]);
});

test("what could not be read again says of itself that it is old", async ({ visit, database: { db } }) => {
  await addDiffering(db);
  const { page, see } = await visit();
  await see("/console/books");
  expect(await page.getByText("could not be read again").count()).toBe(0);
  await sql`alter table metering.reconcile_reads rename to gone`.execute(db);
  await see("/console/books");
  expect(await page.getByRole("alert").innerText()).toMatch(
    /All but the periods could not be read again: it is as it was \d+ s ago/,
  );
  expect(await page.getByRole("region", { name: "Periods", exact: true }).locator("tbody tr").count()).toBe(
    2,
  );
});

test("what the close gate may do is told by the workers that run", async ({ visit, database }) => {
  const { page, see } = await visit();
  await see("/console/books");
  const comparison = page.getByRole("region", { name: "The comparison" });
  expect(await comparison.innerText()).toContain("no worker runs that tells");
  expect(await page.getByText("There is no billing period yet.").count()).toBe(1);

  const { log } = createRecordingLog();
  const worker = { kind: "worker", transport: "sync", closeGate: "watch" } as const;
  const beating = startHeartbeat({ db: database.as("worker").db, log }, worker);
  await until(async () => (await database.db.selectFrom("processes").select("id").execute()).length > 0, {
    what: "the heartbeat",
  });
  await see("/console/books");
  expect(await comparison.innerText()).toContain("watch: it says what it would hold, and moves nothing");
  await beating.stop();
});

test("strange requests are told, another organization's answer is not found, and readers ask for nothing", async ({
  site,
  api,
  database: { db },
}) => {
  const { organizationId: id } = await addDiffering(db);
  const other = await api.join();
  const asked = await api.ask("POST", `/v1/organizations/${id}/reconcile`, { token: api.adminToken });
  const request = String(asked.body["id"]);
  const status = async (
    path: string,
    { token = adminToken, body }: { token?: string; body?: string } = {},
  ) => {
    const headers = { cookie: await site.signIn(token), origin: site.url };
    const posted = body !== undefined && { method: "POST", body: new URLSearchParams(body) };
    return (await site.ask(`/console${path}`, { headers, ...posted })).status;
  };
  const window = `customer=cus_acme&meter=temperature_readings&from=2026-01-01T00:00:00Z`;
  const found: Record<string, number> = {
    [`/books/${id}/comparisons/${request}`]: 200,
    [`/books/${other.id}/comparisons/${request}`]: 404,
    [`/books/${other.id}/comparisons/${request}/live`]: 404,
    [`/books/${id}/comparisons/x`]: 404,
    [`/books/${unknown}`]: 404,
    "/books/nonsense": 404,
    "/books?stage=gone": 400,
    "/books?books=x": 400,
    "/books?cursor=x": 400,
    "/books?stage=closed&books=equal": 200,
    "/books/differences?cursor=x": 400,
    [`/books/${id}/window`]: 400,
    [`/books/${id}/window?${window}&to=2025-01-01T00:00:00Z`]: 400,
    [`/books/${id}/window?${window}&to=2027-01-01T00:00:00Z`]: 404,
    [`/books/${id}/compare?period=x`]: 400,
    [`/books/${unknown}/compare`]: 404,
    [`/organizations/${id}/statements/x`]: 404,
    [`/organizations/${id}/statements/2020-01-01T00:00:00Z`]: 404,
    [`/organizations/${unknown}/statements/2020-01-01T00:00:00Z/statement.csv`]: 404,
  };
  for (const [path, expected] of Object.entries(found)) expect(await status(path), path).toBe(expected);
  expect(await status(`/books/${id}/compare`, { token: readerToken })).toBe(403);
  expect(await status(`/books/${id}/compare`, { token: readerToken, body: "period=current" })).toBe(403);
  expect(await status(`/books/${unknown}/compare`, { body: "period=current" })).toBe(404);
  const requests = await db.selectFrom("reconcile_requests").select("id").execute();
  expect(requests).toHaveLength(1);
});
