import { sql } from "kysely";
import { expect } from "vitest";
import { z } from "zod";
import { cliTest as test } from "../../testing/cli-test.ts";
import { unknownId } from "../../testing/meter-events-test.ts";

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
    /quantity +2\n[^]*delivered +200 +req_1\n[^]* 2\n[^]*freezer-1 .* -18\.4 [^]*freezer-2 .*\n$/,
  );

  expect(await cli.json(["explain", id, "--readings", "1"])).toEqual({
    ...event,
    readings: readings.slice(0, 1),
  });
  expect((await cli(["explain", id, "--readings", "1"])).out).toContain(
    `GET /v1/meter-events/${id}/readings`,
  );
});

test("a meter event that is not there cannot be explained", async ({ cli }) => {
  const answer = await cli(["explain", unknownId]);

  expect(answer).toEqual({ exitCode: 1, out: "", err: "error: there is no such meter event\n" });
});

test("what is no identifier, and a count that is none, are wrong usage", async ({ cli }) => {
  expect(await cli(["explain", "evt_1"])).toMatchObject({ exitCode: 2 });
  expect(await cli(["explain", unknownId, "--readings", "501"])).toMatchObject({ exitCode: 2 });
});
