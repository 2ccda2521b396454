import { expect } from "vitest";
import { retryRejected } from "../delivery/retry-rejected.ts";
import { resolveDoubt } from "../reconciliation/doubt/resolve-doubt.ts";
import { silentLog } from "../log.ts";
import { doubtTest } from "../testing/fixtures/doubt-fixture.ts";
import { readTotal } from "../testing/rows/bill.ts";
import { hoursAgo } from "../testing/rows/hours.ts";
import { addMeterEvent } from "../testing/rows/meter-events.ts";
import { rejectReported } from "../delivery/reject.ts";
import { patienceMs } from "../testing/processes/patience.ts";

const failures = 500;
const customers = 5;

/** Vitest's `test` with usage that Stripe took and refused when it validated it, and the usage of one customer that it kept. */
const test = doubtTest.extend("refused", async ({ database: { db }, road, books }) => {
  const sentAt = new Date(Date.now() - 7_200_000);
  const owners = await Promise.all(Array.from({ length: customers }, () => road.join()));
  const ids: string[] = [];
  for (let index = 0; index < failures; index += 1) {
    const owner = owners[index % customers];
    const { meterEventId } = await addMeterEvent(db, {
      ...(owner && { organization_id: owner.id, stripe_customer_id: owner.customer }),
      // Several in one hour, and several hours.
      event_at: hoursAgo(4 + (index % 3), Math.floor(index / 15)),
      quantity: 1 + (index % 7),
      state: "delivered",
      reason: "accepted",
      attempts_started: 1,
      attempts_finished: 1,
      first_attempt_at: sentAt,
      last_attempt_at: sentAt,
      first_unknown_at: sentAt,
      delivered_at: sentAt,
    });
    ids.push(meterEventId);
  }
  // One customer's usage was sent at the same time, and is fine.
  const good = await books.addBoth({ at: hoursAgo(5, 7), quantity: 9 });
  await db.updateTable("meter_events").set({ first_attempt_at: sentAt }).where("id", "=", good).execute();
  return { owners, ids, good, sentAt };
});

test(
  "500 failures of which Stripe names 2 are all found by sums and rejected, and one retry bills each once",
  { timeout: patienceMs(120_000) },
  async ({ refused, books, boss, road, account, database: { db } }) => {
    const code = "archived_meter";
    const message = "The meter is archived.";
    const errors = refused.ids.slice(0, 2).map((identifier) => ({ identifier, code, message }));
    const window = { validationStart: refused.sentAt, validationEnd: refused.sentAt };
    await db
      .transaction()
      .execute((trx) =>
        rejectReported(
          trx,
          { errorCount: failures, errors, unnamed: { code, message }, ...window },
          { meters: ["temperature_readings"] },
        ),
      );
    const resolve = () => resolveDoubt({ ...books.deps, boss, log: silentLog });
    await resolve();
    await books.passTime(3_601);
    await resolve();

    const rows = await db
      .selectFrom("meter_events")
      .select(["id", "state", "reason", "last_error", "quantity"])
      .where("id", "in", refused.ids)
      .execute();
    expect(
      new Set(rows.map(({ state, reason, last_error }) => [state, reason, last_error].join(" "))),
    ).toEqual(new Set([`rejected ${code} ${message}`]));
    const kept = db
      .selectFrom("meter_events")
      .select(["state", "reconcile_since"])
      .where("id", "=", refused.good);
    expect(await kept.executeTakeFirst()).toEqual({ state: "delivered", reconcile_since: null });
    // Two looks at each customer, whatever the number of hours; one where all was found.
    expect(books.readsMade()).toBe(2 * customers + 1);

    // The cause is mended.
    expect(await retryRejected({ db, boss }, {})).toBe(failures);
    await road.startWorker();
    await road.untilBilled();
    const quantity = rows.reduce((sum, row) => sum + Number(row.quantity), 0);
    const billed = await Promise.all(refused.owners.map(({ customer }) => readTotal(account, { customer })));
    expect(billed.reduce((sum, one) => sum + one, 0)).toBe(quantity);
    expect(account.simulator.meterEvents()).toHaveLength(failures + 1);
  },
);
