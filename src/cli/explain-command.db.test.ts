import { sql } from "kysely";
import { expect } from "vitest";
import { z } from "zod";
import { sealDueEntries } from "../outbox/seal.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";
import { unknownId } from "../testing/fixtures/meter-events-fixture.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { meterNames } from "../usage/meters.ts";

test("a meter event is explained as the API tells it, with its readings", async ({
  cli,
  events,
  database: { db },
}) => {
  const id = await events.seal({ quantity: 2 });
  await sql`
    insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    select organization_id, s, occurred_at, -18.4, id
    from metering.meter_outbox, unnest(array['freezer-1', 'freezer-2']) s
  `.execute(db);
  await sql`
    insert into metering.delivery_attempts
      (organization_id, meter_event_id, attempt, started_at, duration_ms, verdict, http_status, stripe_request_id)
    select organization_id, id, 1, now(), 12, 'delivered', 200, 'req_1' from metering.meter_events
  `.execute(db);
  const { body: event } = await events.ask("GET", `/${id}`);
  const { body: page } = await events.ask("GET", `/${id}/readings`);
  const readings = z.array(z.unknown()).parse(page["data"]);

  expect(await cli.json(["explain", id])).toEqual({ ...event, readings });
  expect((await cli(["explain", id])).out).toMatch(
    /quantity +2\n[^]*delivered +200 +req_1\n[^]* 2 +-\n[^]*freezer-1 .* -18\.4 [^]*freezer-2 .*\n$/,
  );

  expect(await cli.json(["explain", id, "--readings", "1"])).toEqual({
    ...event,
    readings: readings.slice(0, 1),
  });
  expect((await cli(["explain", id, "--readings", "1"])).out).toContain(
    `GET /v1/meter-events/${id}/readings`,
  );
});

test("a meter event is found by the idempotency key of its usage, and shows it", async ({
  cli,
  events,
  boss,
  database: { db },
}) => {
  const record = async (organizationId: string) =>
    sql`select metering.record_usage(${organizationId}, 'temperature_readings', 7, now(), 'export-4711')`.execute(
      db,
    );
  const first = await addOrganization(db, { customer: "cus_1" });
  await record(first);
  expect((await cli(["explain", "--idempotency-key", "export-4711"])).err).toMatch(/is not sealed yet\n$/);
  expect((await events.ask("GET", "?idempotency_key=export-4711")).body["data"]).toEqual([]);

  await sealDueEntries({ db, boss }, { meters: meterNames });
  const found = await cli.json(["explain", "--idempotency-key", "export-4711"]);
  expect(found).toMatchObject({ entries: [{ idempotency_key: "export-4711", quantity: 7 }] });
  expect((await cli(["explain", String(found["id"])])).out).toMatch(/ 7 +export-4711\n/);
  const listed = async (query: string) => (await events.list(`?idempotency_key=export-4711${query}`)).ids;
  expect(await listed("")).toEqual([found["id"]]);

  // The event that replaces it carries the same usage.
  await sql`update metering.meter_events set state = 'in_doubt'`.execute(db);
  const { body } = await events.ask("POST", `/${String(found["id"])}/resolve`, {
    resolution: "not_delivered",
    reason: "x",
  });
  expect(await listed("")).toEqual([body["replaced_by"], found["id"]]);
  expect(await cli.json(["explain", "--idempotency-key", "export-4711"])).toMatchObject({
    id: body["replaced_by"],
  });

  const second = await addOrganization(db, { customer: "cus_2" });
  await record(second);
  const several = await cli(["explain", "--idempotency-key", "export-4711"]);
  expect(several).toMatchObject({ exitCode: 2, out: "" });
  expect(several.err).toContain(second);
  expect(await listed(`&organization_id=${second}`)).toEqual([]);
  const ofFirst = ["explain", "--idempotency-key", "export-4711", "--organization", first];
  expect(await cli.json(ofFirst)).toMatchObject({ id: body["replaced_by"] });
  expect((await cli(["explain", "--idempotency-key", "export-1"])).err).toBe(
    "error: no usage was recorded under this key\n",
  );
  expect(await cli(["explain", unknownId, "--idempotency-key", "x"])).toMatchObject({ exitCode: 2 });
  expect(await cli(["explain"])).toMatchObject({ exitCode: 2 });
});

test("a meter event that is not there cannot be explained", async ({ cli }) => {
  const answer = await cli(["explain", unknownId]);

  expect(answer).toEqual({ exitCode: 1, out: "", err: "error: there is no such meter event\n" });
});

test("what is no identifier, a count that is none, and the organization of no key are wrong usage", async ({
  cli,
}) => {
  expect(await cli(["explain", "evt_1"])).toMatchObject({ exitCode: 2 });
  expect(await cli(["explain", unknownId, "--readings", "501"])).toMatchObject({ exitCode: 2 });
  expect(await cli(["explain", unknownId, "--organization", unknownId])).toMatchObject({ exitCode: 2 });
});
