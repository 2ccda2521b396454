import type { KyselyPlugin } from "kysely";
import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { createKnownPauses } from "./known-pauses.ts";
import { pauseDelivery } from "./pauses.ts";

test("requests that ask at the same time read the pauses once", async ({ database: { db } }) => {
  let reads = 0;
  const counting: KyselyPlugin = {
    transformQuery: ({ node }) => {
      reads += 1;
      return node;
    },
    transformResult: ({ result }) => Promise.resolve(result),
  };
  const pauses = createKnownPauses(db.withPlugin(counting));

  const known = await Promise.all(Array.from({ length: 50 }, () => pauses.concerning("active_sensors")));

  expect(new Set(known)).toEqual(new Set([undefined]));
  expect(reads).toBe(1);
});

test("a pause that is made while they are read counts for all who asked", async ({ database: { db } }) => {
  const pauses = createKnownPauses(db);
  const asked = [pauses.concerning("active_sensors"), pauses.concerning("active_sensors")];

  await pauseDelivery(db, "an operator", "active_sensors");
  pauses.forget();

  await Promise.all(asked);
  expect(await pauses.concerning("active_sensors")).toMatchObject({ scope: "active_sensors" });
});
