import { sql } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { usageQuery } from "./usage-answer.ts";

/** Winter and summer, and long enough ago that Node and Postgres both know the rules. */
const instants = ["2024-01-15T12:00:00Z", "2024-07-15T12:00:00Z"];
const taken = (name: string) => usageQuery.shape.time_zone.safeParse(name).success;

test("in every time zone that is taken, Postgres and Node read the same clock", async ({
  database: { db },
}) => {
  const { rows } = await sql<{ name: string; clocks: string[] }>`
    select name, array_agg(to_char(at at time zone name, 'YYYY-MM-DD HH24:MI:SS') order by at) as clocks
    from (select name from pg_timezone_names union select abbrev from pg_timezone_abbrevs) zone
    cross join unnest(${instants}::timestamptz[]) at
    group by name
  `.execute(db);
  const asked = rows.filter(({ name }) => taken(name));
  const differ = asked.filter(({ name, clocks }) => String(clocks) !== String(clocksOf(name)));
  expect(differ.map(({ name }) => name)).toEqual([]);
  expect(asked.length).toBeGreaterThan(400);
});

test("regions and UTC are taken, abbreviations are not", () => {
  const regions = ["Europe/Berlin", "europe/berlin", "Etc/GMT+5", "Japan", "EST5EDT", "UTC", "utc", "GMT"];
  const abbreviations = ["CET", "cet", "EET", "MET", "WET", "IST", "BST", "CST", "PST", "EST", "PRC"];
  expect(regions.filter((name) => !taken(name))).toEqual([]);
  expect(abbreviations.filter(taken)).toEqual([]);
});

function clocksOf(timeZone: string): string[] {
  const clock = new Intl.DateTimeFormat("sv", { timeZone, dateStyle: "short", timeStyle: "medium" });
  return instants.map((instant) => clock.format(new Date(instant)));
}
