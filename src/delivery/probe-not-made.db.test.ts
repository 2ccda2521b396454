import { sql } from "kysely";
import { expect } from "vitest";
import { loopsTest as test } from "../testing/fixtures/loops-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { addDueEvent } from "../testing/rows/meter-events.ts";
import { takeNodeAway } from "../testing/rows/node-away.ts";

test("a probe that was not made, as the node of its event is away, is given back", async ({
  loops,
  database: { db },
  boss,
  account,
}) => {
  account.simulator.addCustomers("cus_1");
  const { organizationId } = await addDueEvent({ db, boss }, { stripe_customer_id: "cus_1" });
  await sql`
    update metering.delivery_control set paused_until = now(), reason = 'stripe_unavailable', paused_at = now()
    where scope = 'account'
  `.execute(db);
  await takeNodeAway(db, organizationId);
  loops.start(account);
  await until(() => loops.events.some(({ event }) => event === "delivery_step_failed"), {
    what: "the probe to fail before it is made",
  });
  await loops.stopAll();

  const paused = await sql<{ isOver: boolean }>`
    select paused_until <= now() as "isOver" from metering.delivery_control where scope = 'account'
  `.execute(db);
  expect(paused.rows).toMatchObject([{ isOver: true }]);
});
