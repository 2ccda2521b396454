import { sql } from "kysely";
import { expect } from "vitest";
import { addOrganization, linkCustomer } from "../../testing/rows/organizations.ts";
import { appendEntries } from "../../testing/rows/entries.ts";
import { type Api } from "../../testing/fixtures/api-fixture.ts";
import { meterEventsTest as test } from "../../testing/fixtures/meter-events-fixture.ts";
import { sealDueEntries } from "../../outbox/seal.ts";
import { meterNames } from "../../usage/meters.ts";

const hour = (time: string) => new Date(`2026-11-20T${time}Z`);
const period = "from=2026-11-20T10:15:00Z&to=2026-11-20T13:30:00Z";
const readings = `meter=temperature_readings&${period}`;
const csv = { accept: "text/csv" };

const ask = (api: Api, path: string, headers: Record<string, string> = {}) =>
  api.ask("GET", `/v1/${path}`, { token: api.adminToken, headers });
const askText = async (api: Api, path: string, headers: Record<string, string> = csv) =>
  (await api.askText("GET", `/v1/${path}`, { token: api.adminToken, headers })).text;
const dataOf = async (api: Api, path: string) =>
  (await ask(api, path)).body["data"] as Record<string, unknown>[];

test("the operator sees an organization's usage as its own key shows it", async ({
  api,
  database: { db },
}) => {
  const { id, key } = await api.join();
  await appendEntries(db, id, [{ at: hour("10:30:00"), quantity: 3 }]);
  await api.ask("PATCH", `/v1/organizations/${id}`, { token: api.adminToken, json: { external_id: "42" } });
  const query = `usage?${readings}&granularity=day&time_zone=Asia/Kathmandu`;
  const steady = ({ body }: { body: Record<string, unknown> }) => ({ ...body, complete_through: null });
  const own = await api.ask("GET", `/v1/${query}`, { token: key });
  for (const reference of [id, "external:42"]) {
    expect(steady(await ask(api, `organizations/${reference}/${query}`))).toEqual(steady(own));
  }
  const ownCsv = await api.askText("GET", `/v1/${query}`, { token: key, headers: csv });
  expect(await askText(api, `organizations/${id}/${query}`)).toBe(ownCsv.text);
  const nobody = "00000000-0000-7000-8000-000000000000";
  expect((await ask(api, `organizations/${nobody}/${query}`)).status).toBe(404);
  expect((await api.ask("GET", `/v1/organizations/${id}/${query}`, { token: key })).status).toBe(401);
});

test("the summary has the figures of one bucket, in every state, and cuts hours where the period does", async ({
  api,
  boss,
  database: { db },
}) => {
  const { id, key } = await api.join();
  const others = await api.join();
  await linkCustomer(db, id, { customer: "cus_1" });
  const entries = (["10:00", "10:15", "10:45", "11:00", "12:59", "13:00", "13:29", "13:30"] as const).map(
    (time, n) => ({ at: hour(`${time}:00`), quantity: 10 ** n }),
  );
  await appendEntries(db, id, entries);
  await appendEntries(db, others.id, [{ at: hour("11:00:00"), quantity: 7 }]);
  const compare = async () => {
    const { body } = await api.ask("GET", `/v1/usage?${readings}&granularity=month`, { token: key });
    const [{ start: _, end: __, ...bucket }] = body["data"] as [Record<string, unknown>];
    const [total] = await dataOf(api, `usage/summary?${readings}`);
    expect(total).toEqual({ organization_id: id, external_id: null, name: "Acme", ...bucket });
    return bucket;
  };
  expect(await compare()).toMatchObject({ quantity: 1_111_110, pending: 1_111_110 });
  await sealDueEntries({ db, boss }, { meters: meterNames });
  await appendEntries(db, id, [{ at: hour("11:30:00"), quantity: 10_000_000 }]);
  for (const state of ["in_doubt", "superseded", "pending"] as const) {
    if (state === "superseded") {
      // One by one: a cluster would call it on the nodes.
      for (const { id: event } of await db.selectFrom("meter_events").select("id").execute())
        await sql`select metering.resolve_in_doubt(${event}, 'not_delivered', 'x')`.execute(db);
    } else {
      await sql`update metering.meter_events set state = ${state} where state = 'pending'`.execute(db);
    }
    expect(await compare()).toMatchObject({ quantity: 11_111_110 });
  }
  await sql`
    update metering.meter_events m
    set state = s.state
    from unnest(array['delivered', 'rejected', 'expired', 'in_doubt']) with ordinality s (state, place)
    where m.state = 'pending' and s.place = 1 + extract(hour from m.hour at time zone 'UTC')::int % 4
  `.execute(db);
  const bucket = await compare();
  expect(Object.values(bucket).filter((quantity) => quantity === 0)).toEqual([]);
});

test("of a gauge the summary has the latest value of the period, wherever it is", async ({
  api,
  boss,
  database: { db },
}) => {
  const { id, key } = await api.join();
  await linkCustomer(db, id, { customer: "cus_1" });
  const count = async (time: string, quantity: number) =>
    appendEntries(db, id, [{ at: hour(time), quantity, meter: "active_sensors" }]);
  const query = `meter=active_sensors&${period}`;
  for (const [time, quantity] of [
    ["10:20:00", 5],
    ["11:10:00", 7],
    ["12:00:00", 0],
    ["13:10:00", 9],
  ] as const) {
    await count("09:00:00", 1);
    await count(time, quantity);
    for (const isSealed of [false, true]) {
      if (isSealed) await sealDueEntries({ db, boss }, { meters: meterNames });
      const { body } = await api.ask("GET", `/v1/usage?${query}&granularity=month`, { token: key });
      expect(body["data"]).toMatchObject([{ quantity }]);
      const [{ start: _, end: __, ...bucket }] = body["data"] as [Record<string, unknown>];
      expect(await dataOf(api, `usage/summary?${query}`)).toMatchObject([bucket]);
    }
  }
});

test("a period inside one hour, and one of whole hours, are summed as asked", async ({
  api,
  database: { db },
}) => {
  const id = await addOrganization(db);
  await appendEntries(db, id, [
    { at: hour("10:10:00"), quantity: 1 },
    { at: hour("10:20:00"), quantity: 10 },
    { at: hour("10:30:00"), quantity: 100 },
  ]);
  const quantityOf = async (from: string, to: string) => {
    const query = `meter=temperature_readings&from=2026-11-20T${from}Z&to=2026-11-20T${to}Z`;
    return (await dataOf(api, `usage/summary?${query}`))[0]?.["quantity"];
  };
  expect(await quantityOf("10:15:00", "10:30:00")).toBe(10);
  expect(await quantityOf("10:00:00", "11:00:00")).toBe(111);
  expect(await quantityOf("09:59:59", "10:10:00")).toBe(0);
});

test("pages and CSV hold every organization once, and CSV no formula", async ({ api, database: { db } }) => {
  await sql`
    insert into metering.organizations (name, external_id)
    select case n when 7 then '=1+1' when 8 then 'a "b", c' else 'Acme' end, case n when 9 then '-9' end
    from generate_series(1, 450) n
  `.execute(db);
  const listed: unknown[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const { body } = await ask(
      api,
      `usage/summary?${readings}&limit=200${cursor === "" ? "" : `&cursor=${cursor}`}`,
    );
    listed.push(...(body["data"] as { organization_id: string }[]).map((one) => one.organization_id));
    cursor = body["next_cursor"] as string | null;
  }
  const lines = (await askText(api, `usage/summary?${readings}`)).trimEnd().split("\r\n");
  expect(lines[0]).toBe("organization_id,external_id,name,quantity,delivered,pending,in_doubt,rejected");
  expect(lines.slice(1).map((line) => line.split(",")[0])).toEqual(listed);
  expect(new Set(listed).size).toBe(450);
  expect(lines[7]).toMatch(/,'=1\+1,0,0,0,0,0$/);
  expect(lines[8]).toMatch(/,"a ""b"", c",0,/);
  expect(lines[9]).toContain(",'-9,Acme,");
  const page = await askText(api, `usage/summary?${readings}&limit=2`);
  expect(page.trimEnd().split("\r\n")).toEqual(lines.slice(0, 3));
});

test("CSV that is cut because a later page cannot be read is told in the log by its request", async ({
  api,
  database: { db },
}) => {
  await sql`insert into metering.organizations (name) select 'Acme' from generate_series(1, 450) n`.execute(
    db,
  );
  const headers = { ...csv, authorization: `Bearer ${api.adminToken}`, "x-request-id": "cut-1" };
  const answer = await api.app.request(`/v1/usage/summary?${readings}`, { headers });
  // The second page is read ahead.
  await sql`alter table metering.organizations rename to away`.execute(db);
  try {
    await expect(answer.text()).rejects.toThrow("metering.organizations");
  } finally {
    await sql`alter table metering.away rename to organizations`.execute(db);
  }

  expect(answer.status).toBe(200);
  expect(api.events).toContainEqual(
    expect.objectContaining({ event: "http_request_failed", status: 500, request_id: "cut-1" }),
  );
});

test("a period that ends before it begins, or a meter that is none, is refused", async ({ api }) => {
  for (const query of [
    "meter=temperature_readings&from=2026-11-20T10:00:00Z&to=2026-11-20T10:00:00Z",
    `meter=humidity&${period}`,
    "meter=temperature_readings&from=2026-11-20T10:00:00Z",
    `${readings}&cursor=x`,
  ]) {
    expect((await ask(api, `usage/summary?${query}`)).status, query).toBe(400);
  }
});
