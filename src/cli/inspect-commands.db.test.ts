import { sql } from "kysely";
import { expect } from "vitest";
import { readInboxGauges } from "../monitoring/metrics/read-inbox.ts";
import { stripeEventsQueue } from "../queue/queues.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";

const at = new Date("2026-11-20T10:30:00Z");
const period = ["--from", "2026-11-20T10:00:00Z", "--to", "2026-11-20T12:00:00Z"];
const query = "meter=temperature_readings&from=2026-11-20T10:00:00Z&to=2026-11-20T12:00:00Z";

test("usage of an organization, and of all, is what the API tells", async ({
  cli,
  api,
  database: { db },
}) => {
  const { id } = await api.join();
  const { id: second } = await api.join();
  await cli(["organization", "identify", second, "42"]);
  await appendEntries(db, second, [{ at, quantity: 7 }]);
  const ask = async (path: string) => (await api.ask("GET", `/v1/${path}`, { token: api.adminToken })).body;
  const csvOf = async (path: string) =>
    (await api.askText("GET", `/v1/${path}`, { token: api.adminToken, headers: { accept: "text/csv" } }))
      .text;

  const { complete_through: _, ...usage } = await ask(`organizations/${second}/usage?${query}`);
  expect(await cli.json(["usage", "external:42", ...period])).toMatchObject(usage);
  expect((await cli(["usage", second, ...period])).out).toMatch(/T10:00:00.000Z .* 7 +0 +7 +0 +0\n/);
  expect((await cli(["usage", second, ...period, "--csv"])).out).toBe(
    await csvOf(`organizations/${second}/usage?${query}`),
  );
  expect(await cli.json(["usage", ...period])).toEqual(await ask(`usage/summary?${query}`));
  expect((await cli(["usage", ...period])).out).toMatch(new RegExp(`${id} .*0\\n${second} +42 +Acme +7 `));
  expect((await cli(["usage", ...period, "--csv"])).out).toBe(await csvOf(`usage/summary?${query}`));
});

test("usage is that of the running month unless told", async ({ cli, api, database: { db } }) => {
  const { id } = await api.join();
  await appendEntries(db, id, [{ at, quantity: 7 }]);
  const inMonth = async (month: string) =>
    await cli.json(["usage"], { now: () => new Date(`2026-${month}-30T00:00:00Z`) });
  expect(await inMonth("11")).toMatchObject({ data: [{ quantity: 7 }] });
  expect(await inMonth("12")).toMatchObject({ data: [{ quantity: 0 }] });
});

test.for([
  "usage --from yesterday",
  "usage --meter humidity",
  "usage --from 2026-11-20T10:00:00Z --to 2026-11-20T10:00:00Z",
  "usage --granularity day",
  "usage external:42 --granularity week",
  "usage external:42 --time-zone Mars/Olympus",
  "usage acme",
  "webhooks list --state lost",
  "webhooks list --cursor x",
  "sensors external:42 --active --inactive",
])("%s is wrong usage", async (args, { cli }) => {
  const { exitCode, out, err } = await cli(args.split(" "));
  expect({ exitCode, out }).toEqual({ exitCode: 2, out: "" });
  expect(err).toMatch(/^error: /);
});

test("an organization that does not exist has neither usage nor sensors to show", async ({ cli }) => {
  const nobody = "00000000-0000-7000-8000-000000000000";
  for (const args of [
    ["usage", nobody, ...period],
    ["usage", "external:nobody", ...period],
    ["sensors", nobody],
  ]) {
    const err = "error: there is no such organization\n";
    expect(await cli(args)).toEqual({ exitCode: 1, out: "", err });
  }
});

test("all sensors are listed, as their organization's key lists them", async ({
  cli,
  api,
  database: { db },
}) => {
  const { id, key } = await api.join();
  await sql`
    insert into metering.sensors (organization_id, id, deactivated_at)
    select ${id}, 's-' || n, case when n = 7 then now() end from generate_series(1, 501) n
  `.execute(db);
  const { body } = await api.ask("GET", "/v1/sensors?limit=500", { token: key });
  const { data, next_cursor: cursor } = await cli.json(["sensors", id]);
  expect(cursor).toBeNull();
  expect((data as unknown[]).length).toBe(501);
  expect((data as unknown[]).slice(0, 500)).toEqual(body["data"]);
  expect(await cli.json(["sensors", id, "--inactive"])).toMatchObject({
    data: [{ id: "s-7", active: false }],
  });
  expect((await cli(["sensors", id, "--inactive"])).out).toMatch(/\ns-7 .*Z\n$/);
});

test("the webhook inbox is listed, shown and replayed as by the API, without secrets", async ({
  cli,
  api,
  boss,
  database: { db },
}) => {
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, state, error, received_at)
    select 'evt_' || state, 'customer.updated', false, '{"data": {"object": {"client_secret": "open"}}}', state, 'why',
      now() - interval '1 minute' * n
    from unnest(array['pending', 'failed', 'refused']) with ordinality i (state, n)
  `.execute(db);
  const ask = async (path: string) =>
    (await api.ask("GET", `/v1/stripe-events${path}`, { token: api.adminToken })).body;

  const page = await cli.json(["webhooks", "list", "--limit", "2"]);
  expect(page).toEqual(await ask("?limit=2"));
  const cursor = String(page["next_cursor"]);
  expect(await cli.json(["webhooks", "list", "--cursor", cursor])).toEqual(await ask(`?cursor=${cursor}`));
  expect((await cli(["webhooks", "list", "--state", "failed"])).out).toMatch(
    /\nevt_failed +customer.updated +failed .*why\n$/,
  );

  const shown = await cli.json(["webhooks", "show", "evt_failed"]);
  expect(shown).toEqual(await ask("/evt_failed"));
  expect(shown).toMatchObject({ payload: { data: { object: { client_secret: "[hidden]" } } } });
  expect((await cli(["webhooks", "show", "evt_failed"])).out).not.toContain("open");

  expect(await cli.json(["webhooks", "replay", "evt_failed"])).toEqual({ replayed: 1 });
  expect(await ask("/evt_failed")).toMatchObject({ state: "pending", error: null });
  expect(await boss.fetch(stripeEventsQueue.name)).toMatchObject([{ data: { eventId: "evt_failed" } }]);
  expect(await cli(["webhooks", "replay", "evt_failed"])).toEqual({
    exitCode: 1,
    out: "",
    err: "error: the event is pending; only a failed, refused or dismissed one can be replayed\n",
  });
  for (const command of ["show", "replay"]) {
    const err = "error: there is no such event in the inbox\n";
    expect(await cli(["webhooks", command, "evt_1"])).toEqual({ exitCode: 1, out: "", err });
  }
});

test("a webhook event that needs no effect is dismissed with a reason, and its alert is over", async ({
  cli,
  api,
  database: { db },
}) => {
  await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, state, error)
    select 'evt_' || state, 'checkout.session.completed', false, '{}', state, 'there is no such organization'
    from unnest(array['pending', 'failed', 'refused']) state
  `.execute(db);
  const failedNow = async () => {
    const gauges = await readInboxGauges(db);
    return gauges.find(({ labels }) => labels?.["state"] === "failed")?.value;
  };
  const dismiss = (state: string) =>
    cli(["webhooks", "dismiss", `evt_${state}`, "--reason", " another shop "]);
  const ask = (id: string, json: unknown, token = api.adminToken) =>
    api.ask("POST", `/v1/stripe-events/${id}/dismiss`, { token, json });
  expect(await failedNow()).toBe(1);

  expect(await dismiss("failed")).toEqual({ exitCode: 0, out: "it is dismissed\n", err: "" });

  expect(await failedNow()).toBe(0);
  expect(await cli.json(["webhooks", "list", "--state", "dismissed"])).toMatchObject({
    data: [{ id: "evt_failed", error: "there is no such organization", dismissed_because: "another shop" }],
  });
  expect(await ask("evt_refused", { reason: "of a test" })).toMatchObject({
    status: 200,
    body: { state: "dismissed", dismissed_because: "of a test", handled_at: null },
  });
  for (const state of ["pending", "failed"]) {
    const now = state === "failed" ? "dismissed" : state;
    const err = `error: the event is ${now}; only a failed or refused one can be dismissed\n`;
    expect(await dismiss(state)).toEqual({ exitCode: 1, out: "", err });
    expect(await ask(`evt_${state}`, { reason: "x" })).toMatchObject({
      status: 409,
      body: { code: "not_dismissable" },
    });
  }
  expect((await cli(["webhooks", "dismiss", "evt_failed"])).exitCode).toBe(2);
  expect((await dismiss("1")).err).toBe("error: there is no such event in the inbox\n");
  expect(await ask("evt_1", { reason: "x" })).toMatchObject({ status: 404 });
  expect(await ask("evt_pending", { reason: " " })).toMatchObject({ status: 400 });
  expect(await ask("evt_pending", { reason: "x" }, (await api.join()).key)).toMatchObject({ status: 401 });

  expect(await cli.json(["webhooks", "replay", "evt_failed"])).toEqual({ replayed: 1 });
  expect(await cli.json(["webhooks", "show", "evt_failed"])).toMatchObject({
    state: "pending",
    dismissed_at: null,
    dismissed_because: null,
  });
});
