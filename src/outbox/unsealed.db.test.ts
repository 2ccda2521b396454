import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { appendEntries } from "../testing/rows/entries.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { addOrganization } from "../testing/rows/organizations.ts";
import { readUnsealedAges } from "./unsealed.ts";

test("the oldest entry to seal and the oldest held one are the same, however many entries are read for them", async ({
  database: { db },
}) => {
  expect(await readUnsealedAges(db)).toEqual([]);
  const linked = await addOrganization(db, { customer: "cus_1" });
  await appendEntries(
    db,
    linked,
    [2, 5, 3].map((hours) => ({ at: hoursAgo(hours), quantity: 1 })),
  );
  const held = await addOrganization(db);
  await appendEntries(
    db,
    held,
    [1, 9].map((hours) => ({ at: hoursAgo(hours), quantity: 1 })),
  );
  // The hour may have ended since the present one was read.
  const oldestOf = async (readMax: number) => {
    const ages = await readUnsealedAges(db, { readMax });
    return Object.fromEntries(
      ages.map(({ isHeld, ageSeconds }) => [
        isHeld ? "held" : "due",
        new Date(Math.round((Date.now() / 1_000 - ageSeconds) / 60) * 60_000),
      ]),
    );
  };
  const expected = { due: hoursAgo(5), held: hoursAgo(9) };
  // Each of the five entries, and one index entry of each organization.
  for (const readMax of [5, 4]) expect(await oldestOf(readMax), String(readMax)).toEqual(expected);
});
