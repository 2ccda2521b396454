import { sql } from "kysely";
import { expect } from "vitest";
import { encodeCursor } from "../../http/cursor.ts";
import { whyNoBrowser } from "../../testing/browser/chromium.ts";
import { adminToken, consoleTest, readerToken } from "../../testing/fixtures/console-fixture.ts";
import { addMeterEvent, readMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization } from "../../testing/rows/organizations.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);
const markup = "<img src=x onerror=alert(1)> & <b>bold</b>";

test("the list is narrowed by state, meter, organization, hours and Stripe's words", async ({
  visit,
  database: { db },
}) => {
  const acme = await addOrganization(db, { customer: "cus_acme" });
  await sql`update metering.organizations set name = ${markup} where id = ${acme}`.execute(db);
  const of = { organization_id: acme, stripe_customer_id: "cus_acme" };
  const { meterEventId: rejected } = await addMeterEvent(db, {
    ...of,
    state: "rejected",
    reason: "archived_meter",
    last_error: `The meter is archived ${markup}`,
  });
  await addMeterEvent(db, { ...of, meter: "active_sensors", state: "delivered" });
  await addMeterEvent(db, { event_at: new Date(Date.now() - 50 * 3_600_000) });
  const { page, see } = await visit();
  await see("/console/meter-events");
  const rowsOf = async (query: string) => {
    await page.goto(`/console/meter-events?${query}`);
    return page.locator("tbody tr").allInnerTexts();
  };
  expect(await rowsOf("")).toHaveLength(3);
  expect(await rowsOf("state=rejected")).toHaveLength(1);
  expect(await rowsOf("state=&meter=active_sensors&organization=&from=&to=&words=")).toHaveLength(1);
  expect(await rowsOf(`organization=${acme}`)).toHaveLength(2);
  const yesterday = new Date(Date.now() - 24 * 3_600_000).toISOString().slice(0, 16);
  expect(await rowsOf(`from=${yesterday}`)).toHaveLength(2);
  expect(await rowsOf(`to=${yesterday}`)).toHaveLength(1);
  const [found = ""] = await rowsOf("words=METER+IS+archived");
  expect(found).toContain(`The meter is archived ${markup}`);
  expect(found).toContain("archived meter");
  expect(await rowsOf("words=no+such+words")).toEqual([]);
  expect(await page.getByText("No meter event is like this.").count()).toBe(1);

  await see(`/console/meter-events/${rejected}`);
  expect(await page.getByRole("main").innerText()).toContain(markup);
});

test("one event tells its attempts and entries, and Retry moves a rejected one", async ({
  visit,
  database: { db },
}) => {
  const key = await addMeterEvent(db, { state: "rejected", attempts_started: 1, attempts_finished: 1 });
  await sql`
    insert into metering.delivery_attempts
      (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status, code, message, stripe_request_id)
    values (${key.organizationId}, ${key.meterEventId}, 1, now(), 140, 'rejected', 400, 'resource_missing', 'No such customer', 'req_abc')
  `.execute(db);
  const { page, see } = await visit({ name: "Ada" });
  await see(`/console/meter-events/${key.meterEventId}`);
  const said = page.getByRole("region", { name: "What Stripe said", exact: true });
  expect(await said.innerText()).toMatch(/rejected\s+400\s+resource_missing\s+No such customer\s+req_abc/);
  expect(await page.getByRole("link", { name: "req_abc" }).getAttribute("href")).toBe(
    "https://dashboard.stripe.com/test/logs/req_abc",
  );
  await page.getByRole("link", { name: "Retry" }).click();
  await page.getByRole("button", { name: "Retry" }).click();
  await page.getByText("1 will be attempted again.").waitFor();
  expect(await readMeterEvent(db, key)).toMatchObject({ state: "pending" });
  await see("/console/actions");
  expect(await page.locator("tbody tr").first().innerText()).toContain(key.meterEventId);
});

test("all rejected ones are retried after their number was shown", async ({ visit, database: { db } }) => {
  const organization = await addOrganization(db, { customer: "cus_acme" });
  const of = { organization_id: organization, stripe_customer_id: "cus_acme" };
  for (let count = 0; count < 3; count += 1) await addMeterEvent(db, { ...of, state: "rejected" });
  const { page, see } = await visit();
  await see("/console");
  await page.getByRole("link", { name: "rejected" }).click();
  await page.getByRole("link", { name: "Retry all of these" }).click();
  await page.getByRole("heading", { name: "Retry 3 rejected meter events?" }).waitFor();
  await see(page.url());
  await page.getByRole("button", { name: "Retry" }).click();
  await page.getByText("3 will be attempted again.").waitFor();
});

test("what the filters match, hours and words included, is retried alone after its number was shown", async ({
  visit,
  database: { db },
}) => {
  const of = async (last_error: string, hoursAgo: number) =>
    addMeterEvent(db, {
      state: "rejected",
      last_error,
      event_at: new Date(Date.now() - hoursAgo * 3_600_000),
    });
  const wanted = await of(markup, 5);
  await of(markup, 50);
  await of("another fault", 5);
  const from = new Date(Date.now() - 24 * 3_600_000).toISOString().slice(0, 16);
  const { page, see } = await visit();
  await see(`/console/meter-events?state=rejected&from=${from}`);
  await page.getByLabel("Why, or Stripe's words").fill(markup);
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByRole("link", { name: "Retry all of these" }).click();
  await page.getByRole("heading", { name: "Retry 1 rejected meter event?" }).waitFor();
  await see(page.url());
  expect(await page.getByRole("main").innerText()).toContain(markup);
  await page.getByRole("button", { name: "Retry" }).click();
  await page.getByText("1 will be attempted again.").waitFor();
  expect(await readMeterEvent(db, wanted)).toMatchObject({ state: "pending" });
  await see("/console/meter-events?state=rejected");
  expect(await page.locator("tbody tr").count()).toBe(2);
  await see("/console/actions");
  expect(await page.locator("tbody tr").first().innerText()).toContain(`saying ${markup}`);
});

test("all in doubt that match are resolved with one reason, after their number was shown", async ({
  visit,
  database: { db },
}) => {
  const lost = await addMeterEvent(db, { state: "in_doubt", quantity: 1_500 });
  const of = { organization_id: lost.organizationId, stripe_customer_id: "cus_1" };
  await addMeterEvent(db, { ...of, state: "in_doubt", quantity: 500 });
  await addMeterEvent(db, { state: "in_doubt", stripe_customer_id: "cus_2" });
  const { page, see } = await visit();
  await see(`/console/meter-events?state=in_doubt&organization=${lost.organizationId}`);
  await page.getByRole("link", { name: "Resolve all of these" }).click();
  await page.getByRole("heading", { name: "End the doubt about 2 meter events?" }).waitFor();
  await see(page.url());
  expect(await page.getByRole("main").innerText()).toContain("2,000 units");
  await page.getByLabel("Not delivered").check();
  await page.getByLabel("Reason").fill("the sums lack them");
  await page.getByRole("button", { name: "Resolve" }).click();
  await page.getByText("The doubt about 2 is ended.").waitFor();
  expect(await readMeterEvent(db, lost)).toMatchObject({ state: "superseded" });
  await see("/console/meter-events?state=in_doubt");
  expect(await page.locator("tbody tr").count()).toBe(1);

  // Not those of all organizations, as the words alone would say.
  await sql`update metering.organizations set name = ${markup} where id = ${lost.organizationId}`.execute(db);
  await see("/console/actions");
  const done = page.locator("tbody tr").first();
  expect(await done.innerText()).toContain("all in doubt");
  await done.getByRole("link", { name: markup }).click();
  await page.waitForURL(`**/console/organizations/${lost.organizationId}`);
});

test("what comes in doubt while an operator looks at the sums of others is not resolved with them", async ({
  visit,
  site,
  database: { db },
}) => {
  const seen = await addMeterEvent(db, { state: "in_doubt" });
  const of = { organization_id: seen.organizationId, stripe_customer_id: "cus_1", state: "in_doubt" };
  const settled = await addMeterEvent(db, of);
  const { page } = await visit();
  await page.goto("/console/meter-events/resolve?state=in_doubt");
  await page.getByRole("heading", { name: "End the doubt about 2 meter events?" }).waitFor();
  const late = await addMeterEvent(db, of);
  await sql`select metering.resolve_in_doubt(${settled.meterEventId}, 'delivered', 'by another')`.execute(db);
  await page.getByLabel("Not delivered").check();
  await page.getByLabel("Reason").fill("their sums lack them");
  await page.getByRole("button", { name: "Resolve" }).click();
  await page.getByText("The doubt about 1 is ended.").waitFor();
  expect(await readMeterEvent(db, seen)).toMatchObject({ state: "superseded" });
  expect(await readMeterEvent(db, settled)).toMatchObject({ state: "delivered" });
  expect(await readMeterEvent(db, late)).toMatchObject({ state: "in_doubt" });

  const cookie = await site.signIn(adminToken);
  for (const asked of [undefined, "", "x", `${late.meterEventId} `]) {
    const body = new URLSearchParams({ state: "in_doubt", resolution: "delivered", reason: "x" });
    if (asked !== undefined) body.set("asked", asked);
    const headers = { cookie, origin: site.url };
    const answer = await site.ask("/console/meter-events/resolve", { method: "POST", headers, body });
    expect(answer.status, asked).toBe(400);
  }
  expect(await readMeterEvent(db, late)).toMatchObject({ state: "in_doubt" });
});

test("a thousand in doubt are resolved with one form", async ({ visit, database: { db } }) => {
  const { organizationId } = await addMeterEvent(db, { state: "in_doubt" });
  await sql`
    insert into metering.meter_events
      (organization_id, id, meter, hour, quantity, event_at, entries, stripe_customer_id, state)
    select
      organization_id, metering.uuid_v7(clock_timestamp()), meter, hour, quantity, event_at, entries,
      stripe_customer_id, 'in_doubt'
    from metering.meter_events, generate_series(2, 1001)
    where organization_id = ${organizationId}
  `.execute(db);
  const { page } = await visit();
  await page.goto("/console/meter-events/resolve?state=in_doubt");
  await page.getByText("The first 1,000 of them, the oldest; repeat it for the rest.").waitFor();
  await page.getByLabel("Delivered", { exact: false }).first().check();
  await page.getByLabel("Reason").fill("é".repeat(500));
  await page.getByRole("button", { name: "Resolve" }).click();
  await page.getByText("The doubt about 1,000 is ended.").waitFor();
  expect(await page.locator("tbody tr").count()).toBe(1);
});

test("an event in doubt is resolved with a reason, and its replacement is shown", async ({
  visit,
  database: { db },
}) => {
  const key = await addMeterEvent(db, { state: "in_doubt" });
  const { page, see } = await visit();
  await see(`/console/meter-events/${key.meterEventId}`);
  await page.getByRole("link", { name: "Resolve" }).click();
  await page.getByLabel("Not delivered").waitFor();
  await see(page.url());
  await page.getByLabel("Not delivered").check();
  await page.getByLabel("Reason").fill("the sum lacks it");
  await page.getByRole("button", { name: "Resolve" }).click();
  await page.getByText("The doubt is ended.").waitFor();
  expect(await readMeterEvent(db, key)).toMatchObject({
    state: "superseded",
    resolution_reason: "the sum lacks it",
  });
  expect(await page.getByRole("link", { name: key.meterEventId }).count()).toBe(1);
});

test("what is no event, no filter or no state to act on is told, and changes nothing", async ({
  site,
  database: { db },
}) => {
  const { meterEventId: id } = await addMeterEvent(db, { state: "delivered" });
  const unknown = "00000000-0000-7000-8000-000000000000";
  const cookie = await site.signIn(adminToken);
  const status = async (path: string, body?: Record<string, string>) => {
    const posted = body && { method: "POST", body: new URLSearchParams(body) };
    const headers = { cookie, origin: site.url };
    return (await site.ask(`/console/meter-events${path}`, { headers, ...posted })).status;
  };
  expect(await status(`/${unknown}`)).toBe(404);
  expect(await status("/nonsense")).toBe(404);
  for (const query of [
    "state=open",
    "meter=x",
    "from=noon",
    "from=2026-11-31T10:00",
    "to=2026-13-01T10:00",
    "to=2026-11-22T99:99",
    "from=0000-01-01T00:00",
    "cursor=x",
    "organization=a",
    `words=${"x".repeat(201)}`,
  ])
    expect(await status(`?${query}`), query).toBe(400);
  expect(await status("?organization=external:nobody")).toBe(404);
  expect(await status("/retry")).toBe(400);
  expect(await status("/retry", { state: "delivered" })).toBe(400);
  expect(await status(`/${id}/retry`, {})).toBe(409);
  expect(await status(`/${id}/resolve`, { resolution: "delivered", reason: "x" })).toBe(409);
  expect(await status(`/${id}/resolve`, { resolution: "maybe", reason: "x" })).toBe(400);
  const reader = await site.signIn(readerToken);
  expect(await status("/resolve")).toBe(400);
  expect(await status("/resolve", { state: "rejected", resolution: "delivered", reason: "x" })).toBe(400);
  expect(await status("/resolve", { state: "in_doubt", resolution: "delivered", reason: " " })).toBe(400);
  expect(await status("?words=%00")).toBe(200);
  for (const path of ["/retry", "/resolve", `/${id}/retry`, `/${id}/resolve`]) {
    const headers = { cookie: reader, origin: site.url };
    const answer = await site.ask(`/console/meter-events${path}`, { method: "POST", headers });
    expect(answer.status, path).toBe(403);
  }
});

test("a cursor with a time that Postgres does not know is refused", async ({ site, database: { db } }) => {
  const { meterEventId } = await addMeterEvent(db);
  const headers = { cookie: await site.signIn(readerToken) };
  const cursor = encodeCursor([meterEventId, "a", "0000-01-01T00:00:00Z"]);
  const answer = await site.ask(`/console/meter-events/${meterEventId}?cursor=${cursor}`, { headers });
  expect(answer.status).toBe(400);
});

test("one event shows the newest look at Stripe's sum of its window beside ours", async ({
  visit,
  database: { db },
}) => {
  const key = await addMeterEvent(db, { state: "in_doubt", quantity: 1_200 });
  const { page, see } = await visit();
  const path = `/console/meter-events/${key.meterEventId}`;
  const sum = page.getByRole("region", { name: "Stripe's sum", exact: true });
  await see(path);
  expect(await sum.innerText()).toContain("was not read yet");

  const look = async (theirs: string, result: string, reason: string | null, customer?: string) => {
    await sql`
      insert into metering.reconciliations (
        organization_id, meter, stripe_customer_id, window_start, window_end, cause, ours, doubtful, theirs, events,
        fingerprint, reads, result, reason, read_at
      )
      select
        organization_id, meter, coalesce(${customer ?? null}, stripe_customer_id), hour, hour + interval '1 hour', 'routine', 7000, 1200, ${theirs}::numeric,
        2, 'x', 1, ${result}, ${reason}, clock_timestamp()
      from metering.meter_events where id = ${key.meterEventId}
    `.execute(db);
  };
  await look("9000", "settling", "in_doubt");
  await look("8200", "different", "more_than_all");
  await look("1", "equal", null, "cus_other");
  await see(path);
  const told = await sum.innerText();
  expect(told).toMatch(/Stripe's\s+8,200\s+Ours\s+7,000\s+Of ours in doubt besides\s+1,200/);
  expect(told).toContain("Different: more than all.");
  await page.getByRole("link", { name: "Resolve" }).click();
  await page.getByRole("button", { name: "Resolve" }).waitFor();
  expect(await sum.innerText()).toContain("8,200");
});
