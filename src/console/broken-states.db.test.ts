import { sql } from "kysely";
import { expect } from "vitest";
import { openDatabase } from "../database/pool.ts";
import { trip } from "../delivery/pauses.ts";
import { silentLog } from "../log.ts";
import { migrate } from "../migrate/migrate.ts";
import { createBoss } from "../queue/boss.ts";
import { whyNoBrowser } from "../testing/browser/chromium.ts";
import { adminToken, consoleTest, openSite, readerToken } from "../testing/fixtures/console-fixture.ts";
import { startEmbeddedPostgres } from "../testing/postgres/embedded-postgres.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { addOrganization } from "../testing/rows/organizations.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);
const id = "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ee";
const places = [
  "/console",
  "/console/meter-events",
  "/console/organizations",
  "/console/stripe-events",
  "/console/delivery",
  "/console/actions",
];

/** Each action, at an id that nothing has. */
function actionsOf(routes: readonly { method: string; path: string }[]): string[] {
  const posts = routes.filter(({ method, path }) => method === "POST" && !/sign-(in|out)$/.test(path));
  const verb = /:\w+\{(\w+)[^}]*\}/g;
  return [...new Set(posts.map(({ path }) => path.replaceAll(verb, "$1").replaceAll(/:\w+/g, id)))];
}

test("no action is open to a reader's token, a stranger, a spoilt cookie or another site's form", async ({
  site,
  database: { db },
}) => {
  const actions = actionsOf(site.routes);
  expect(actions.length).toBeGreaterThan(9);
  const [admin, reader] = [await site.signIn(adminToken), await site.signIn(readerToken)];
  const ask = async (path: string, headers: Record<string, string>) => {
    const body = new URLSearchParams({ reason: "x", state: "rejected", name: "x", resolution: "delivered" });
    return (await site.ask(path, { method: "POST", headers, body })).status;
  };
  for (const path of actions) {
    expect(await ask(path, { cookie: reader, origin: site.url }), path).toBe(403);
    expect(await ask(path, { origin: site.url }), path).toBe(303);
    expect(await ask(path, { cookie: admin.replace(/.$/, ""), origin: site.url }), path).toBe(303);
    expect(await ask(path, { cookie: admin, origin: "https://evil.example" }), path).toBe(403);
  }
  expect(await db.selectFrom("operator_actions").selectAll().execute()).toEqual([]);
});

test("with a revoked key and with Stripe down, the start page says so, since when, and what to do", async ({
  visit,
  database: { db },
}) => {
  const breaker = { scope: "account", firstMs: 60_000, maxMs: 60_000 };
  await trip(db, { ...breaker, reason: "unauthorized" }, { isProbe: false });
  const { page, see } = await visit();
  await see("/console");
  const status = page.getByRole("status").first();
  expect(await status.innerText()).toMatch(/All delivery is paused: unauthorized. Since \d+ s ago/);
  expect(await status.innerText()).toContain("Give the workers a Stripe key that works");
  expect(await status.getByRole("link", { name: "Resume" }).count()).toBe(1);

  await trip(db, { ...breaker, reason: "stripe_unavailable" }, { isProbe: true });
  await page.getByText("All delivery is paused: stripe unavailable").waitFor();
  expect(await status.innerText()).toContain("Nothing is lost");
  await see("/console/delivery");
  expect(await page.getByRole("main").innerText()).toContain("stripe unavailable");
});

test("ten thousand rejected events are paged, counted, and retried at once", async ({
  visit,
  database: { db },
}) => {
  const { organizationId } = await addMeterEvent(db, { state: "rejected", last_error: "No such customer" });
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state, last_error)
    select
      organization_id, metering.uuid_v7(clock_timestamp()), meter, hour, quantity, event_at, entries,
      stripe_customer_id, 'rejected', last_error
    from metering.meter_events, generate_series(2, 10000)
    where organization_id = ${organizationId}
  `.execute(db);
  const { page, see } = await visit();
  await see("/console");
  await page.getByRole("link", { name: "rejected" }).click();
  expect(await page.locator("tbody tr").count()).toBe(50);
  await page.getByRole("link", { name: "Next page" }).click();
  expect(await page.locator("tbody tr").count()).toBe(50);
  await page.getByRole("link", { name: "Retry all of these" }).click();
  await page.getByRole("heading", { name: "Retry 10,000 rejected meter events?" }).waitFor();
  await page.getByRole("button", { name: "Retry" }).click();
  await page.getByText("10,000 will be attempted again.").waitFor();
  const { rows } = await sql`
    select
      (select count(*)::int from metering.meter_events where state = 'pending') as pending,
      (select count(*)::int from pgboss.job where name like 'deliver-%') as jobs
  `.execute(db);
  expect(rows).toEqual([{ pending: 10_000, jobs: 10_000 }]);
});

test("names as long as may be, of markup or of one word, stay text and inside the page of a phone", async ({
  visit,
  database: { db },
}) => {
  const words = [
    "x".repeat(200),
    `<script>alert(1)</script>"'><img src=x onerror=alert(2)>${"&".repeat(100)}`,
  ];
  const paths = [...places];
  for (const [at, name] of words.entries()) {
    const organization = await addOrganization(db, { customer: `cus_${at}` });
    await sql`update metering.organizations set name = ${name} where id = ${organization}`.execute(db);
    const { meterEventId } = await addMeterEvent(db, {
      organization_id: organization,
      stripe_customer_id: `cus_${at}`,
      state: "rejected",
      last_error: name.repeat(4),
    });
    paths.push(`/console/organizations/${organization}`, `/console/meter-events/${meterEventId}`);
  }
  const { page, faults } = await visit({ name: words[1] ?? "", viewport: { width: 390, height: 844 } });
  for (const path of paths) {
    await page.goto(path);
    expect(await page.evaluate("document.documentElement.scrollWidth"), path).toBe(390);
    expect(await page.locator("img, script:not([src])").count(), path).toBe(0);
  }
  expect(await page.getByText(words[1] ?? "").count()).toBeGreaterThan(0);
  expect(faults).toEqual([]);
});

test("while Postgres is stopped every page says so, and the figures stay with their age; all goes on when it is back", async ({
  browser,
}) => {
  const postgres = await startEmbeddedPostgres({ settings: "fast" });
  await migrate({ databaseUrl: postgres.url, log: silentLog });
  const way = { connectionString: postgres.url, applicationName: "console", connectionsMax: 3 };
  const database = openDatabase(way, silentLog);
  const boss = createBoss({ databaseUrl: postgres.url, role: "api", connectionsMax: 1 }, silentLog);
  await boss.start();
  const site = await openSite({ ...database, boss });
  const context = await browser.newContext({ baseURL: site.url });
  try {
    await addMeterEvent(database.db, { state: "rejected" });
    const page = await context.newPage();
    await page.goto("/console/sign-in");
    await page.getByLabel("Token").fill(adminToken);
    await page.getByRole("button", { name: "Sign in" }).click();
    const aside = page.getByRole("region", { name: "Beside the road" });
    const rejected = aside.getByRole("listitem").filter({ hasText: "Stripe refused them" });
    await rejected.waitFor();
    const cookie = await site.signIn(adminToken);
    const statusOf = async (path: string) => (await site.ask(path, { headers: { cookie } })).status;
    const seen = "/console/meter-events?state=rejected";
    expect(await statusOf(seen)).toBe(200);

    await postgres.halt("immediate");
    await page.getByText(/The database does not answer\. These are the figures of \d+ s ago/).waitFor();
    expect(await rejected.innerText()).toMatch(/^1\n/);
    for (const path of places.slice(1)) expect(await statusOf(path), path).toBe(503);
    const other = await context.newPage();
    await other.goto("/console/meter-events");
    expect(await other.getByRole("main").innerText()).toContain("Nothing can be shown");
    // What was shown before stays, with its age.
    const answer = await other.goto(seen);
    expect(answer?.status()).toBe(503);
    const main = other.getByRole("main");
    expect(await main.innerText()).toMatch(
      /The database does not answer\. This is the page as it was \d+ s ago/,
    );
    expect(await main.locator("tbody tr").count()).toBe(1);
    const reader = await site.signIn(readerToken);
    expect(await (await site.ask(seen, { headers: { cookie: reader } })).text()).toContain(
      "Nothing can be shown",
    );
    const headers = { cookie, origin: site.url };
    const body = new URLSearchParams({ scope: "account", reason: "x" });
    expect((await site.ask("/console/delivery/pause", { method: "POST", headers, body })).status).toBe(503);

    await postgres.resume();
    await page.getByText("The database does not answer.").waitFor({ state: "detached" });
    for (const path of places) expect(await statusOf(path), path).toBe(200);
  } finally {
    await context.close();
    await site.close();
    await boss.stop({ graceful: false });
    await database.close();
    await postgres.stop();
  }
});
