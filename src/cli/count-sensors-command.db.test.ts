import { expect } from "vitest";
import { registerSensors } from "../intake/sensors.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";
import { addOrganization } from "../testing/rows/organizations.ts";

const environment = { BILLABLE_STATUSES: "active,trialing" };

test("sensors are counted when an operator asks, and not again while the number stands", async ({
  cli,
  database: { db },
}) => {
  for (const customer of ["cus_1", "cus_2"]) {
    const id = await addOrganization(db, { customer });
    await registerSensors(db, id, [{ id: "a" }, { id: "b" }]);
  }

  expect(await cli.json(["count-sensors"], { environment })).toMatchObject({ organizations: 2, sensors: 4 });
  // None, unless a full hour began in between.
  expect([0, 2]).toContain((await cli.json(["count-sensors"], { environment }))["organizations"]);
});

test("one organization is counted alone", async ({ cli, database: { db } }) => {
  const ours = await addOrganization(db, { customer: "cus_1" });
  const others = await addOrganization(db, { customer: "cus_2" });
  for (const id of [ours, others]) await registerSensors(db, id, [{ id: "a" }]);

  const counted = await cli.json(["count-sensors", "--organization", ours], { environment });

  expect(counted).toMatchObject({ organizations: 1, sensors: 1 });
});

test("an organization whose sensors are not billed is told, with the reason", async ({
  cli,
  database: { db },
}) => {
  const unlinked = await addOrganization(db);
  const linked = await addOrganization(db, { customer: "cus_1" });

  const ofUnlinked = await cli(["count-sensors", "--organization", unlinked]);
  const others = { BILLABLE_STATUSES: "past_due" };
  const ofActive = await cli(["count-sensors", "--organization", linked], { environment: others });

  expect(ofUnlinked).toMatchObject({ exitCode: 1, err: expect.stringContaining("linked to no customer") });
  expect(ofActive).toMatchObject({ exitCode: 1, err: expect.stringContaining("its status active") });
});
