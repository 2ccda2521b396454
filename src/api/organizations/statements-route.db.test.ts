import { sql } from "kysely";
import { expect } from "vitest";
import { cliTest as test } from "../../testing/fixtures/cli-fixture.ts";
import { hoursAgo } from "../../testing/rows/hours.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";
import type { Db } from "../../database/db.ts";

const unknown = "00000000-0000-7000-8000-000000000000";
const starts = [90, 60, 30].map((days) => hoursAgo(days * 24));
const [first, second, third] = starts as [Date, Date, Date];

/** An organization with three periods; in the second, Stripe refused 7 and was sent more than a number holds. */
async function addPeriods(db: Db): Promise<string> {
  const id = await addOrganization(db);
  for (const [index, periodStart] of starts.entries()) {
    const periodEnd = starts[index + 1] ?? hoursAgo(-24);
    await linkCustomer(db, id, { customer: "cus_1", periodStart, periodEnd });
  }
  await sql`update metering.customer_links set linked_at = ${first} where organization_id = ${id}`.execute(
    db,
  );
  const at = new Date(second.getTime() + 3_600_000 * 5);
  const shared = { organization_id: id, stripe_customer_id: "cus_1", event_at: at };
  await addMeterEvent(db, { ...shared, quantity: 7, state: "rejected" });
  await addMeterEvent(db, { ...shared, quantity: "9007199254740993", state: "delivered", delivered_at: at });
  await sql`
    insert into metering.billing_invoices (
      organization_id, invoice_id, period_start, stripe_customer_id, status, invoiced, created_at, read_began_at
    )
    values (${id}, '=in_1', ${second}, 'cus_1', 'open', '{"temperature_readings": "9007199254740993"}', now(), now())
  `.execute(db);
  return id;
}

test("statements come page by page, the newest first, and one by the start of its period", async ({
  api,
  database: { db },
}) => {
  const id = await addPeriods(db);
  const token = api.adminToken;
  const path = `/v1/organizations/${id}/statements`;
  const found: unknown[] = [];
  let cursor: string | null = null;
  for (let pages = 0; pages < 3; pages += 1) {
    const query = cursor === null ? "" : `&cursor=${cursor}`;
    const { body } = await api.ask("GET", `${path}?limit=1${query}`, { token });
    found.push(...(body["data"] as { period: { start: string } }[]).map(({ period }) => period.start));
    cursor = body["next_cursor"] as string | null;
  }
  expect(found).toEqual([third, second, first].map((at) => at.toISOString()));
  expect(cursor).toBeNull();

  const one = await api.ask("GET", `${path}/${second.toISOString()}`, { token });
  expect(one.body).toMatchObject({
    organization_id: id,
    period: { start: second.toISOString(), end: third.toISOString() },
    invoice: { id: "=in_1", status: "open" },
    meters: [
      {
        sent: "9007199254740993",
        invoiced: "9007199254740993",
        difference: "7",
        rows: [{ kind: "rejected", quantity: "7", difference: "7" }],
      },
      {},
    ],
  });
});

test("a period that ends with the last second of the last year has a statement", async ({ api }) => {
  const { id } = await api.join();
  const token = api.adminToken;
  const period = {
    current_period_start: "2026-11-01T00:00:00Z",
    current_period_end: "9999-12-31T23:59:59.999Z",
  };
  const json = { stripe_customer_id: "cus_1", status: "active", ...period };
  expect(await api.ask("PUT", `/v1/organizations/${id}/subscription`, { token, json })).toMatchObject({
    status: 200,
  });

  const path = `/v1/organizations/${id}/statements`;
  const end = period.current_period_end;
  expect(await api.ask("GET", path, { token })).toMatchObject({
    status: 200,
    body: { data: [{ period: { end } }] },
  });
  expect(await api.ask("GET", `${path}/${period.current_period_start}`, { token })).toMatchObject({
    status: 200,
    body: { period: { end } },
  });
});

test("a statement as CSV has a total for each meter and a line for each row, exact, and no formula", async ({
  api,
  database: { db },
}) => {
  const id = await addPeriods(db);
  const headers = { accept: "text/csv", authorization: `Bearer ${api.adminToken}` };
  const ask = async (path: string) => (await api.app.request(path, { headers })).text();
  const csv = await ask(`/v1/organizations/${id}/statements/${second.toISOString()}`);
  const lines = csv
    .trimEnd()
    .split("\r\n")
    .map((line) => line.split(","));
  const heading = lines[0] ?? [];
  const cell = (row: number, name: string) => lines[row]?.[heading.indexOf(name)];

  expect(lines.map((line) => line[heading.indexOf("line")])).toEqual(["line", "total", "rejected", "total"]);
  expect([cell(1, "sent"), cell(1, "difference"), cell(1, "rejected")]).toEqual([
    "9007199254740993",
    "7",
    "7",
  ]);
  expect([cell(1, "invoice"), cell(1, "invoice_status")]).toEqual(["'=in_1", "open"]);
  expect([cell(2, "quantity"), cell(2, "meter")]).toEqual(["7", "temperature_readings"]);
  expect((await ask(`/v1/organizations/${id}/statements`)).trimEnd().split("\r\n")).toHaveLength(8);
});

test("the command line shows the same in words, as CSV and as JSON", async ({ cli, database: { db } }) => {
  const id = await addPeriods(db);
  const last = ["statement", "--organization", id];
  const words = await cli(last);
  expect(words).toMatchObject({ exitCode: 0 });
  expect(words.out).toContain(`${second.toISOString()} to ${third.toISOString()}`);
  expect(words.out).toContain("invoice =in_1 (open), not closed");
  expect(words.out).toMatch(/temperature_readings\s+rejected\s+7\s+7/);
  expect((await cli([...last, "--csv"])).out).toMatch(/^organization_id,period_start[^]*\btotal,[^\n]*\r\n$/);
  expect((await cli([...last, "--period", first.toISOString()])).out).toContain(first.toISOString());
  expect(await cli([...last, "--period", "2001-01-01T00:00:00Z"])).toMatchObject({ exitCode: 1 });
});

test("statements are the operator's alone, and strange questions are told", async ({
  api,
  database: { db },
}) => {
  const id = await addPeriods(db);
  const { key } = await api.join();
  const token = api.adminToken;
  const status = async (path: string, as = token) =>
    (await api.ask("GET", `/v1/organizations/${path}`, { token: as })).status;
  expect(await status(`${id}/statements`, key)).toBe(401);
  expect(await status(`${id}/statements/${first.toISOString()}`, key)).toBe(401);
  expect(await status(`${unknown}/statements`)).toBe(404);
  expect(await status(`${unknown}/statements/${first.toISOString()}`)).toBe(404);
  expect(await status(`${id}/statements/2001-01-01T00:00:00Z`)).toBe(404);
  expect(await status(`${id}/statements/yesterday`)).toBe(400);
  expect(await status(`${id}/statements?cursor=x`)).toBe(400);
  expect(await status(`${id}/statements?limit=501`)).toBe(400);
});
