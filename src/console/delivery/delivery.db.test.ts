import { sql } from "kysely";
import { expect } from "vitest";
import { account, pauseDelivery, readPauses } from "../../delivery/pauses.ts";
import { takeJobs } from "../../delivery/take-jobs.ts";
import { silentLog } from "../../log.ts";
import { whyNoBrowser } from "../../testing/browser/chromium.ts";
import { consoleTest, readerToken } from "../../testing/fixtures/console-fixture.ts";
import { addDueEvent } from "../../testing/rows/meter-events.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);

test("an operator pauses one meter with a reason, resumes it, and both are written down", async ({
  visit,
  database: { db },
  boss,
}) => {
  await addDueEvent({ db, boss });
  const { page, see } = await visit({ name: "Ada <b>" });
  await see("/console/delivery");
  await page.getByRole("link", { name: "Pause temperature_readings" }).click();
  expect(await page.getByRole("main").innerText()).toContain("1 pending meter event");
  await page.getByLabel("Reason").fill("prices change <i>at noon</i>");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Delivery is paused.").waitFor();
  await see(page.url());
  expect(await readPauses(db)).toMatchObject([
    { scope: "temperature_readings", reason: "prices change <i>at noon</i>", until: null },
  ]);

  await page.getByRole("link", { name: "Resume temperature_readings" }).click();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("Delivery goes on").waitFor();
  expect(await readPauses(db)).toEqual([]);

  await see("/console/actions");
  const rows = await page.locator("tbody tr").allInnerTexts();
  expect(rows).toHaveLength(2);
  expect(rows[0]).toMatch(/Ada <b> \(console\)\s+resume delivery\s+temperature_readings\s+–\s+1/);
  expect(rows[1]).toMatch(/pause delivery\s+temperature_readings\s+prices change <i>at noon<\/i>/);
});

test("the start page leads to Resume, which ends the account's pause and no meter's", async ({
  visit,
  database: { db },
}) => {
  await pauseDelivery(db, "the night");
  await pauseDelivery(db, "the meter", "active_sensors");
  const { page } = await visit();
  await page.goto("/console");
  await page.getByRole("link", { name: "Resume" }).first().click();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("Delivery goes on").waitFor();
  expect((await readPauses(db)).map(({ scope }) => scope)).toEqual(["active_sensors"]);
});

test("a pause that another operator made since the question is not ended by its answer", async ({
  visit,
  database: { db },
}) => {
  await pauseDelivery(db, "the night");
  const { page, see } = await visit();
  await see("/console/delivery/resume?scope=account");
  expect(await page.getByRole("main").innerText()).toContain("It is paused: the night");
  await pauseDelivery(db, "the prices are wrong");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("It was paused anew meanwhile: the prices are wrong.").waitFor();
  expect(await readPauses(db)).toMatchObject([{ scope: account, reason: "the prices are wrong" }]);

  // Asked again, about this pause, it ends it; and the answer to a question that another has answered does no harm.
  const { page: later } = await visit();
  for (const one of [page, later]) await one.goto("/console/delivery/resume?scope=account");
  for (const one of [page, later]) {
    await one.getByRole("button", { name: "Resume" }).click();
    await one.getByText("Delivery goes on").waitFor();
    expect(await readPauses(db)).toEqual([]);
  }
});

test("the rate of all workers stands beside their limit, and what is in flight with its lease", async ({
  visit,
  database: { db },
  boss,
}) => {
  await sql`
    insert into metering.processes (id, kind, transport, rate_per_second, rate_per_second_max)
    values
      (gen_random_uuid(), 'worker', 'sync', 7.5, 15), (gen_random_uuid(), 'worker', 'sync', 15, 15),
      (gen_random_uuid(), 'worker', 'none', null, null)
  `.execute(db);
  const { meterEventId } = await addDueEvent({ db, boss });
  await takeJobs({ db, boss, log: silentLog }, "temperature_readings", { room: 5, leaseSeconds: 45 });
  const { page, see } = await visit();
  await see("/console/delivery");
  const rate = page.getByRole("region", { name: "Rate", exact: true });
  expect(await rate.innerText()).toContain(
    "22.5 of 30 meter events a second: Stripe has slowed the workers down",
  );
  expect(await rate.locator("tbody tr").count()).toBe(3);
  const leases = page.getByRole("region", { name: "Leases" }).first();
  expect(await leases.locator("tbody tr").innerText()).toMatch(
    /temperature_readings\s+1\s+\d s ago\s+\d\d s more/,
  );
  await page.getByRole("link", { name: "Pause temperature_readings" }).focus();

  // It renews itself, and the keyboard stays where it was.
  await db
    .updateTable("meter_events")
    .set({ state: "delivered", attempts_finished: 1, delivered_at: new Date() })
    .where("id", "=", meterEventId)
    .execute();
  await page.getByText("Nothing is in flight.").waitFor();
  expect(await page.evaluate("document.activeElement?.textContent")).toContain("Pause");
});

test("who may only look sees no button, and is refused what acts", async ({
  visit,
  site,
  database: { db },
}) => {
  await pauseDelivery(db, "the night");
  const { page, see } = await visit({ token: readerToken });
  await see("/console/delivery");
  expect(await page.getByRole("link", { name: /Resume|Pause/ }).count()).toBe(0);
  const cookie = await site.signIn(readerToken);
  for (const [method, path] of [
    ["GET", "/console/delivery/resume?scope=account"],
    ["POST", "/console/delivery/resume"],
    ["POST", "/console/delivery/pause"],
  ] as const) {
    const body = new URLSearchParams({ scope: account, reason: "x" });
    const answer = await site.ask(path, {
      method,
      headers: { cookie, origin: site.url },
      ...(method === "POST" && { body }),
    });
    expect(answer.status, path).toBe(403);
  }
  expect(await readPauses(db)).toHaveLength(1);
});

test("another site's form, a missing reason and an unknown scope change nothing", async ({
  site,
  database: { db },
}) => {
  const cookie = await site.signIn(site.adminToken);
  const post = async (headers: Record<string, string>, fields: Record<string, string>) => {
    const body = new URLSearchParams(fields);
    return (
      await site.ask("/console/delivery/pause", { method: "POST", headers: { cookie, ...headers }, body })
    ).status;
  };
  const own = { origin: site.url };
  expect(await post({ origin: "https://evil.example" }, { scope: account, reason: "x" })).toBe(403);
  expect(await post(own, { scope: account, reason: " " })).toBe(400);
  expect(await post(own, { scope: "nothing", reason: "x" })).toBe(400);
  expect(await post(own, { scope: account, reason: "x".repeat(501) })).toBe(400);
  expect(await post(own, { scope: account, reason: "x".repeat(20_000) })).toBe(413);
  expect(await readPauses(db)).toEqual([]);
});
