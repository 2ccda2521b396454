import { sql } from "kysely";
import { expect } from "vitest";
import { z } from "zod";
import { whyNoBrowser } from "../../testing/browser/chromium.ts";
import { adminToken, consoleTest, readerToken } from "../../testing/fixtures/console-fixture.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);
const markup = "Ac<b>me</b> & Söhne";

test("organizations are found by a part of the name, by id, external id and customer", async ({
  visit,
  database: { db },
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await sql`update metering.organizations set name = ${markup}, external_id = 'crm:1' where id = ${acme}`.execute(
    db,
  );
  await addOrganization(db);
  const { page, see } = await visit();
  await see("/console/organizations");
  const rowsOf = async (search: string) => {
    await page.goto(`/console/organizations?search=${encodeURIComponent(search)}`);
    return page.locator("tbody tr").allInnerTexts();
  };
  expect(await rowsOf("")).toHaveLength(2);
  for (const search of ["me</B> &", acme, "crm:1", "cus_acme"]) {
    const rows = await rowsOf(search);
    expect(rows, search).toHaveLength(1);
    expect(rows[0]).toContain(markup);
    expect(rows[0]).toContain("billable");
  }
  expect(await rowsOf("%")).toEqual([]);
  expect(await page.getByText("No organization is called so.").count()).toBe(1);
});

test("a name of 200 letters without a space pushes no column of the lists out of sight", async ({
  visit,
  database: { db },
}) => {
  const long = await addOrganization(db, { customer: "cus_long" });
  await sql`update metering.organizations set name = ${"x".repeat(200)} where id = ${long}`.execute(db);
  await addMeterEvent(db, { organization_id: long, stripe_customer_id: "cus_long" });
  for (const width of [1_280, 360]) {
    const { page, see } = await visit({ viewport: { width, height: 900 } });
    for (const path of ["/console/organizations", "/console/meter-events"]) {
      await see(path);
      const table = page.getByRole("region").filter({ hasText: "x".repeat(200) });
      const hidden = await table.evaluate(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth);
      expect(hidden, `${path} at ${width}`).toBe(0);
    }
  }
});

test("one organization shows its usage as a plot and a table, and as CSV", async ({
  visit,
  database: { db },
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await appendEntries(db, acme, [{ at: hoursAgo(3, 1), quantity: 1_234 }]);
  const { page, see } = await visit();
  await see(`/console/organizations/${acme}?granularity=hour`);
  await page.locator("figure canvas").waitFor();
  await page.getByText("The numbers").click();
  expect(await page.locator("figure tbody tr").filter({ hasText: "1,234" }).count()).toBe(1);
  const csv = await page.evaluate<string>(
    `fetch(document.querySelector("a[download]").href).then((answer) => answer.text())`,
  );
  expect(csv).toMatch(/^start,end,quantity/);
  expect(csv).toContain(",1234,");

  const plain = await visit({ javaScriptEnabled: false });
  await plain.page.goto(`/console/organizations/${acme}?granularity=hour`);
  expect(await plain.page.getByText("1,234").first().isVisible()).toBe(true);
});

test("the list tells the usage of each one's period, what is held, and when the last reading came", async ({
  visit,
  database: { db },
}) => {
  const [from, to] = [hoursAgo(48), hoursAgo(-48)];
  const linked = await addOrganization(db, { customer: "cus_1", periodStart: from, periodEnd: to });
  const at = (hours: number) => ({
    organization_id: linked,
    stripe_customer_id: "cus_1",
    event_at: hoursAgo(hours, 1),
  });
  const { meterEventId } = await addMeterEvent(db, {
    ...at(5),
    quantity: "90071992547409930",
    state: "superseded",
  });
  await addMeterEvent(db, { ...at(5), quantity: 7, replaces_id: meterEventId });
  await addMeterEvent(db, { ...at(60), quantity: 1_000 });
  await appendEntries(db, linked, [
    { at: hoursAgo(3, 1), quantity: 3 },
    { at: hoursAgo(50, 1), quantity: 2_000 },
  ]);
  const held = await addOrganization(db);
  await appendEntries(db, held, [{ at: new Date(), quantity: 1_234 }]);
  await addOrganization(db);

  const { page, see } = await visit();
  await see("/console/organizations");
  const rows = await page.locator("tbody tr").allInnerTexts();
  const latest = hoursAgo(3, 1).toISOString().slice(0, 19).replace("T", " ");
  expect(rows).toMatchObject([
    expect.stringMatching(new RegExp(`90,071,992,547,409,933\\s+–\\s+${latest} UTC`)),
    expect.stringMatching(/1,234\s+1,234\s+since 20[^]*UTC\s+20/),
    expect.stringMatching(/\b0\s+–\s+never/),
  ]);
  await page.getByLabel("Only those that no customer pays for").check();
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForURL("**/organizations?search=&billing=held");
  expect(await page.locator("tbody tr").count()).toBe(2);
});

test("sensors over time are a plot and a table, and each billing period leads to its statement", async ({
  visit,
  database: { db },
}) => {
  const [periodStart, periodEnd] = [hoursAgo(48), hoursAgo(-48)];
  const acme = await addOrganization(db, { customer: "cus_acme", periodStart, periodEnd });
  const { page, see } = await visit();
  await see(`/console/organizations/${acme}`);
  expect(await page.getByText("Its sensors were not counted in this time.").count()).toBe(1);
  for (const [hour, count] of [
    [hoursAgo(3), 1_200],
    [hoursAgo(2), 7],
  ] as const)
    await db
      .insertInto("sensor_counts")
      .values({ organization_id: acme, hour, active_sensors: count })
      .execute();
  await see(`/console/organizations/${acme}?granularity=month`);
  const sensors = page.getByRole("region", { name: "Sensors", exact: true });
  await sensors.locator("canvas").waitFor();
  expect(await sensors.locator(".u-legend").innerText()).toContain("At its last count");
  await sensors.getByText("The numbers").click();
  expect(await sensors.locator("tbody tr").last().innerText()).toMatch(/7(\s+1,200)?\s+7/);

  await page.getByRole("region", { name: "Statements" }).getByRole("link").click();
  await page.waitForURL(`**/statements/${encodeURIComponent(periodStart.toISOString())}`);
  const plain = await visit({ javaScriptEnabled: false });
  await plain.page.goto(`/console/organizations/${acme}?granularity=hour`);
  expect(await plain.page.getByText("1,200").first().isVisible()).toBe(true);
});

test("a key is made, shown once and revoked, and each is written down", async ({
  visit,
  api,
  database: { db },
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  const { page, see } = await visit({ name: "Ada" });
  await see(`/console/organizations/${acme}`);
  await page.getByRole("link", { name: "Make a key" }).click();
  await page.getByLabel("Name of the new key").fill(markup);
  await see(page.url());
  expect(await page.getByRole("main").innerText()).toContain("No key of this organization works");
  await page.getByLabel("Name of the new key").fill(markup);
  await page.getByLabel("read", { exact: true }).uncheck();
  await page.getByRole("button", { name: "Make a key" }).click();
  const key = await page.getByText(/^mo_/).innerText();
  const send = () => api.ask("POST", "/v1/sensors", { token: key, json: { sensors: [{ id: "a" }] } });
  expect((await send()).status).toBe(200);
  await page.getByRole("link", { name: "I have copied it" }).click();
  expect(await page.content()).not.toContain(key);
  expect(await page.getByText(markup).count()).toBe(1);

  await page.getByRole("link", { name: /^Revoke/ }).click();
  await page.getByRole("heading", { name: /^Revoke the key mo_/ }).waitFor();
  expect(await page.getByRole("main").innerText()).toMatch(
    /1 key, last used 20[^]*nothing can be sent for it then/,
  );
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The key is revoked").waitFor();
  await expect.poll(async () => (await send()).status).toBe(401);
  const did = page.getByRole("region", { name: "Actions", exact: true }).locator("tbody tr");
  expect(await did.allInnerTexts()).toMatchObject([
    expect.stringMatching(/Ada \(console\)\s+revoke api key/),
    expect.stringMatching(/Ada \(console\)\s+create api key/),
  ]);
});

test("of very many keys those that work stand first, the newest can be revoked, and all that work are counted", async ({
  visit,
  api,
  database: { db },
}) => {
  const { id, keyId: oldest } = await api.join();
  await sql`
    insert into metering.api_keys (organization_id, name, prefix, key_hash, scopes, revoked_at)
    select ${id}, 'rotated', 'mo_' || n, sha256(n::text::bytea), '{read}', now() from generate_series(1, 1500) n
  `.execute(db);
  const made = await api.ask("POST", `/v1/organizations/${id}/api-keys`, { token: api.adminToken, json: {} });
  const { key, id: newest } = z.object({ key: z.string(), id: z.uuid() }).parse(made.body);
  const { page, see } = await visit();
  await see(`/console/organizations/${id}`);
  const keys = page.getByRole("region", { name: "API keys", exact: true });
  const links = keys.getByRole("link", { name: /^Revoke/ });
  const pathOf = (keyId: string) => `/console/organizations/${id}/keys/${keyId}/revoke`;
  const hrefs = (await links.all()).map((link) => link.getAttribute("href"));
  expect(await Promise.all(hrefs)).toEqual([pathOf(newest), pathOf(oldest)]);
  expect(await keys.innerText()).toContain("The newest 200, those that work first");

  await links.first().click();
  await page.getByText("1 other key of this organization goes on working.").waitFor();
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByText("The key is revoked").waitFor();
  const send = () => api.ask("POST", "/v1/sensors", { token: key, json: { sensors: [{ id: "a" }] } });
  await expect.poll(async () => (await send()).status).toBe(401);
  await page.getByRole("link", { name: "Make a key" }).click();
  await page.getByText("1 key of this organization works besides.").waitFor();
});

test("who may only look makes no key and revokes none, and strange requests are told", async ({
  site,
  api,
}) => {
  const { id, keyId } = await api.join();
  const status = async (token: string, path: string, body?: Record<string, string>) => {
    const headers = { cookie: await site.signIn(token), origin: site.url };
    const posted = body && { method: "POST", body: new URLSearchParams(body) };
    return (await site.ask(`/console/organizations${path}`, { headers, ...posted })).status;
  };
  expect(await status(readerToken, `/${id}/keys`, { ingest: "yes" })).toBe(403);
  expect(await status(readerToken, `/${id}/keys/${keyId}/revoke`, {})).toBe(403);
  const unknown = "00000000-0000-7000-8000-000000000000";
  expect(await status(adminToken, `/${unknown}`)).toBe(404);
  expect(await status(adminToken, "/nonsense")).toBe(404);
  expect(await status(adminToken, `/${id}?meter=x`)).toBe(400);
  expect(await status(adminToken, `/${unknown}/keys`, { ingest: "yes" })).toBe(404);
  expect(await status(adminToken, `/${id}/keys`, {})).toBe(400);
  expect(await status(adminToken, `/${unknown}/keys/${keyId}/revoke`, {})).toBe(404);
  const { body } = await api.ask("GET", `/v1/organizations/${id}/api-keys`, { token: api.adminToken });
  const keys = z.object({ data: z.array(z.looseObject({ revoked_at: z.null() })) }).parse(body);
  expect(keys.data).toHaveLength(1);
});

test("a sensor's year is drawn by the day in which it was recorded, with its gaps, and its last reading stands in the list", async ({
  visit,
  database: { db },
}) => {
  const acme = await addOrganization(db);
  const dayMs = 86_400_000;
  const noon = Math.floor(Date.now() / dayMs) * dayMs - dayMs / 2;
  const days = [3, 1, 1] as const;
  await sql`
    insert into metering.sensors (organization_id, id, name) values (${acme}, 'freezer-1', ${markup}), (${acme}, 'new', '')
  `.execute(db);
  await sql`
    insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    select ${acme}, 'freezer-1', r.at, r.temperature, metering.uuid_v7(r.at)
    from unnest(
      ${days.map((day, index) => new Date(noon - day * dayMs + index * 60_000))}::timestamptz[],
      ${[-20.25, -18, -16]}::float8[]
    ) r (at, temperature)
  `.execute(db);
  const { page, see } = await visit();
  await see(`/console/organizations/${acme}/sensors`);
  const listed = await page.locator("tbody tr").allInnerTexts();
  expect(listed).toMatchObject([
    expect.stringMatching(/freezer-1\s+Ac<b>me<\/b> & Söhne\s+●\s*active\s+20[^]*-16 °C/),
    expect.stringMatching(/new\s+–[^]*never\s+–/),
  ]);
  await see(`/console/organizations/${acme}`);
  await page.getByRole("link", { name: "freezer-1" }).click();
  await page.locator("figure canvas").waitFor();
  await see(page.url());
  await page.getByText("The numbers").click();
  const rows = await page.locator("figure details tbody tr").allInnerTexts();
  expect(rows).toMatchObject([
    expect.stringMatching(/-20\.3 °C\s+-20\.3 °C\s+-20\.3 °C\s+1$/),
    expect.stringMatching(/–\s+–\s+–\s+0$/),
    expect.stringMatching(/-16\.0 °C\s+-17\.0 °C\s+-18\.0 °C\s+2$/),
  ]);
  await page.getByRole("link", { name: "hours of the last week" }).click();
  await page.waitForURL("**&step=hour");
  await see(`/console/organizations/${acme}/sensor?id=new`);
  expect(await page.getByText("It recorded nothing").count()).toBe(1);
});
