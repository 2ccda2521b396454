import { sql } from "kysely";
import { expect } from "vitest";
import { consoleTest as test, readerToken } from "../testing/fixtures/console-fixture.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { readTemperatures } from "./sensor-readings.ts";

const dayMs = 86_400_000;

test.for([
  [[4, 1e200], 5e199],
  [[1e308, 1e308], 1e308],
  [[-1e308, 1e308, 1e308, -1e308], 0],
  [[20.1, 20.3], 20.2],
] as const)(
  "temperatures of %j in one day have a mean, and a page",
  async ([temperatures, mean], { database, site }) => {
    const { db } = database;
    const organizationId = await addOrganization(db);
    const to = new Date(Math.floor(Date.now() / dayMs) * dayMs);
    const from = new Date(to.getTime() - dayMs);
    await sql`
    insert into metering.sensors (organization_id, id, name) values (${organizationId}, 'a', '')
  `.execute(db);
    await sql`
    insert into metering.readings (organization_id, sensor_id, recorded_at, temperature, entry_id)
    select ${organizationId}, 'a', ${from}::timestamptz + n * interval '1 minute', t, metering.uuid_v7(${from})
    from unnest(${[...temperatures]}::float8[]) with ordinality reading (t, n)
  `.execute(db);

    const sensor = { organizationId, sensorId: "a" };
    expect(await readTemperatures(db, sensor, { from, to, step: "day" })).toEqual([
      {
        start: from,
        readings: temperatures.length,
        lowest: Math.min(...temperatures),
        mean,
        highest: Math.max(...temperatures),
      },
    ]);
    const cookie = await site.signIn(readerToken);
    const page = await site.ask(`/console/organizations/${organizationId}/sensor?id=a`, {
      headers: { cookie },
    });
    expect(page.status).toBe(200);
  },
);
