import { sql } from "kysely";
import { expect } from "vitest";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";

test.for(["53100", "58030"])(
  "where the database's disk fails with %s the answer is 503, and says when to try again",
  async (code, { api, database: { db } }) => {
    const { key } = await api.join();
    await api.ask("POST", "/v1/sensors", { token: key, json: { sensors: [{ id: "freezer-1" }] } });
    await sql`
      create function metering.fail() returns trigger language plpgsql as $$
        begin raise exception 'could not extend file' using errcode = ${sql.lit(code)}; end
      $$
    `.execute(db);
    await sql`
      create trigger fails before insert on metering.readings for each row execute function metering.fail()
    `.execute(db);

    const { status, headers, body } = await api.ask("POST", "/v1/readings", {
      token: key,
      json: {
        readings: [{ sensor_id: "freezer-1", recorded_at: new Date().toISOString(), temperature: 4.5 }],
      },
    });

    expect({ status, code: body["code"] }).toEqual({ status: 503, code: "database_unavailable" });
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  },
);
