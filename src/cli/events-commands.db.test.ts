import { sql } from "kysely";
import { expect } from "vitest";
import { deliverQueueOf } from "../queue/queues.ts";
import { unknownId } from "../testing/fixtures/meter-events-fixture.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";

test("meter events are listed by state, organization and meter", async ({
  cli,
  events,
  database: { db },
}) => {
  const organization = await addOrganization(db, { customer: "cus_other" });
  const rejected = await events.seal({ state: "rejected" });
  const others = await events.seal({ organization });
  const sensors = await events.seal({ meter: "active_sensors" });

  const list = async (...filter: string[]) => (await cli.json(["events", "list", ...filter]))["data"];
  expect(await list()).toMatchObject([{ id: sensors }, { id: others }, { id: rejected }]);
  expect(await list("--state", "rejected")).toMatchObject([{ id: rejected }]);
  expect(await list("--organization", organization)).toMatchObject([{ id: others }]);
  expect(await list("--meter", "active_sensors")).toMatchObject([{ id: sensors }]);
});

test("a list that ends at its limit says that there are more", async ({ cli, events }) => {
  await events.seal();
  const newest = await events.seal();

  const { out } = await cli(["events", "list", "--limit", "1"]);
  expect(out).toMatch(new RegExp(`\\n${newest} .*\\nthere are more`));
});

test("the list is the API's document, page by page", async ({ cli, events }) => {
  for (const hours of [1, 2, 3]) await events.seal({ hours });
  const first = await cli.json(["events", "list", "--limit", "2"]);
  expect(first).toEqual((await events.ask("GET", "?limit=2")).body);

  const cursor = String(first["next_cursor"]);
  const second = await cli.json(["events", "list", "--limit", "2", "--cursor", cursor]);
  expect(second).toEqual((await events.ask("GET", `?limit=2&cursor=${cursor}`)).body);
  expect(second).toMatchObject({ data: [{}], next_cursor: null });
  expect(await cli(["events", "list", "--cursor", "x"])).toMatchObject({ exitCode: 2, out: "" });
});

test("an event in doubt is resolved as by the API", async ({ cli, events, boss }) => {
  const counted = await events.seal({ state: "in_doubt" });
  const lost = await events.seal({ state: "in_doubt", hours: 2 });
  const because = ["--reason", "in the summary of 10:00"];

  expect(await cli.json(["events", "resolve", counted, "delivered", ...because])).toEqual({
    id: counted,
    state: "delivered",
    replaced_by: null,
    evidence: null,
  });
  expect((await events.ask("GET", `/${counted}`)).body).toMatchObject({
    state: "delivered",
    resolution_reason: "in the summary of 10:00",
  });
  const resolved = await cli.json(["events", "resolve", lost, "not_delivered", ...because]);
  expect(resolved).toMatchObject({ id: lost, state: "superseded" });
  expect(await boss.fetch(deliverQueueOf("temperature_readings"))).toMatchObject([
    { data: { meterEventId: resolved["replaced_by"] } },
  ]);
  expect(await cli(["events", "resolve", lost, "delivered", ...because])).toEqual({
    exitCode: 1,
    out: "",
    err: "error: the meter event is superseded; only one in doubt can be resolved\n",
  });
  expect(await cli(["events", "resolve", unknownId, "delivered", ...because])).toMatchObject({ exitCode: 1 });
});

test("a meter event is shown as the API shows it", async ({ cli, events, database: { db } }) => {
  const id = await events.seal({ quantity: 7 });
  await sql`
    insert into metering.delivery_attempts
      (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status, message)
    select organization_id, id, 1, now(), 12, 'retry', 500, 'try again' from metering.meter_events
  `.execute(db);
  const { body } = await events.ask("GET", `/${id}`);

  expect(await cli.json(["events", "show", id])).toEqual(body);
  expect((await cli(["events", "show", id])).out).toMatch(/quantity +7\n[^]*retry +500 +try again[^]* 7\n$/);
});

test("a rejected meter event gets its job back", async ({ cli, events, boss }) => {
  const id = await events.seal({ state: "rejected" });

  expect(await cli.json(["events", "retry", id])).toEqual({ retried: 1 });
  expect(await cli.json(["events", "list", "--state", "pending"])).toMatchObject({ data: [{ id }] });
  expect(await boss.fetch(deliverQueueOf("temperature_readings"))).toMatchObject([
    { data: { meterEventId: id } },
  ]);
});

test("all rejected meter events of a meter are retried together", async ({ cli, events }) => {
  await events.seal({ state: "rejected" });
  await events.seal({ state: "rejected", hours: 2 });
  const sensors = await events.seal({ state: "rejected", meter: "active_sensors" });

  const args = ["events", "retry", "--state", "rejected", "--meter", "temperature_readings"];
  expect(await cli.json(args)).toEqual({ retried: 2 });
  expect(await cli.json(["events", "list", "--state", "rejected"])).toMatchObject({
    data: [{ id: sensors }],
  });
});

test("a meter event that is not rejected is not retried", async ({ cli, events }) => {
  const id = await events.seal({ state: "in_doubt" });

  expect(await cli(["events", "retry", id])).toEqual({
    exitCode: 1,
    out: "",
    err: "error: the meter event is in_doubt; only a rejected or a pending one can be retried\n",
  });
});

test("a meter event that does not exist fails", async ({ cli }) => {
  const err = "error: there is no such meter event\n";
  expect(await cli(["events", "show", unknownId])).toEqual({ exitCode: 1, out: "", err });
  expect(await cli(["events", "retry", unknownId])).toEqual({ exitCode: 1, out: "", err });
});

test.for([
  "events retry",
  "events retry --meter active_sensors",
  "events retry --state in_doubt",
  `events retry ${unknownId} --state rejected`,
  "events list --state lost",
  `events resolve ${unknownId} delivered`,
  `events resolve ${unknownId} perhaps --reason x`,
  `events resolve evt_1 delivered --reason x`,
  "events list --meter humidity",
  "events list --limit 0",
  "events list --limit many",
  "events list --limit 0x10",
  "events list --limit 1e2",
  "events list --limit 501",
  `explain ${unknownId} --readings 1e2`,
])("%s is wrong usage", async (args, { cli }) => {
  expect(await cli(args.split(" "))).toMatchObject({ exitCode: 2, out: "" });
});

test("events are listed, retried and resolved by hours and words, as by the API", async ({
  cli,
  events,
  database: { db },
}) => {
  const old = await events.seal({ state: "rejected", hours: 5 });
  const young = await events.seal({ state: "rejected", hours: 1 });
  const doubted = await events.seal({ state: "in_doubt", hours: 5 });
  await sql`update metering.meter_events set last_error = 'No such customer'`.execute(db);
  const at = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 3 * 3_600_000).toISOString();

  const list = await cli.json(["events", "list", "--from", at, "--words", "NO such"]);
  expect(list["data"]).toMatchObject([{ id: young }]);
  const retry = ["events", "retry", "--state", "rejected"];
  expect(await cli.json([...retry, "--to", at, "--words", "customer"])).toEqual({ retried: 1 });
  expect((await events.list("?state=pending")).ids).toEqual([old]);

  const because = ["--reason", "the sums have them"];
  expect(await cli.json(["events", "resolve", "all", "delivered", ...because, "--from", at])).toEqual({
    resolved: 0,
    replaced: 0,
  });
  const resolved = await cli(["events", "resolve", "all", "delivered", ...because, "--to", at]);
  expect(resolved).toMatchObject({ exitCode: 0, err: "" });
  expect(resolved.out).toBe("1 are in doubt no more, 0 new events send usage again\n");
  expect((await events.list("?state=in_doubt")).ids).toEqual([]);
  const one = ["events", "resolve", doubted, "delivered", ...because];
  for (const wrong of [
    [...one, "--to", at],
    ["events", "list", "--from", "noon"],
    [...retry, "--words", ""],
  ])
    expect(await cli(wrong)).toMatchObject({ exitCode: 2, out: "" });
});
