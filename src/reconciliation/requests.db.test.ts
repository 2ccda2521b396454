import { sql } from "kysely";
import { expect } from "vitest";
import { booksTest as test } from "../testing/fixtures/books-fixture.ts";
import { until } from "../testing/processes/until.ts";
import { askForComparison, readRequest } from "./requests.ts";
import { remindOfRequests } from "./requests-job.ts";
import { dayMs, floorTo, hourMs, minuteMs, wholeMinutes } from "./windows.ts";

const period = wholeMinutes({
  start: new Date(Date.now() - 10 * dayMs),
  end: new Date(Date.now() + minuteMs),
});

test("a worker answers what an operator asks for, with our events of the hours that are not equal", async ({
  books,
  road,
  boss,
  database: { db },
}) => {
  const at = new Date(Date.now() - 3 * dayMs);
  await books.addBoth({ at: new Date(Date.now() - 5 * dayMs), quantity: 5 });
  const id = await books.addBoth({ at, quantity: 7 });
  await books.countTheirs({ at, quantity: 2 });
  await road.startWorker();

  const asked = { organizationId: books.organizationId, ...period };
  const request = await askForComparison({ db, boss }, asked);
  const answered = await untilEnded(db, { organizationId: books.organizationId, id: request });

  expect(answered).toMatchObject({
    state: "answered",
    answer: {
      windows: [
        { meter: "temperature_readings", ours: "12", theirs: "14", result: "different" },
        { theirs: "9", ours: "7" },
        {
          start: floorTo(at, hourMs).toISOString(),
          ours: "7",
          theirs: "9",
          result: "different",
          events: [{ id, state: "delivered", quantity: "7", attempts: [] }],
        },
        { meter: "active_sensors", ours: "0", theirs: "0", result: "equal" },
      ],
      reads: 4,
    },
  });
});

test("where Stripe gives no answer, that is the answer", async ({
  books,
  road,
  account,
  boss,
  database: { db },
}) => {
  account.simulator.addFault({ kind: "status", status: 500, path: "/v1/billing/meters/" });
  await road.startWorker();

  const request = await askForComparison({ db, boss }, { organizationId: books.organizationId, ...period });

  expect(await untilEnded(db, { organizationId: books.organizationId, id: request })).toMatchObject({
    state: "failed",
    error: expect.stringContaining("Stripe answered 500"),
  });
});

test("a meter that Stripe lacks is the answer, until it is made", async ({
  books,
  road,
  account,
  boss,
  database: { db },
}) => {
  await road.startWorker({ METER_SENSORS_EVENT_NAME: "sensors_in_use" });
  const asked = { organizationId: books.organizationId, ...period };
  const ask = async () => {
    const request = await askForComparison({ db, boss }, asked);
    return untilEnded(db, { organizationId: books.organizationId, id: request });
  };

  expect(await ask()).toEqual({
    state: "failed",
    error: "Stripe has no meter with the event name sensors_in_use",
  });
  await account.stripe.billing.meters.create({
    display_name: "Sensors in use",
    event_name: "sensors_in_use",
    default_aggregation: { formula: "last" },
  });
  expect(await ask()).toMatchObject({ state: "answered" });
});

test("a request whose job is lost is answered all the same", async ({
  books,
  road,
  boss,
  database: { db },
}) => {
  const request = await askForComparison({ db, boss }, { organizationId: books.organizationId, ...period });
  await sql`delete from pgboss.job`.execute(db);
  await sql`update metering.reconcile_requests set asked_at = now() - interval '2 minutes'`.execute(db);
  await road.startWorker();
  await remindOfRequests({ db: books.deps.db, boss });

  expect(await untilEnded(db, { organizationId: books.organizationId, id: request })).toMatchObject({
    state: "answered",
  });
});

test("requests are forgotten a week after their answer", async ({ books, boss, database: { db } }) => {
  const organizationId = books.organizationId;
  const old = await askForComparison({ db, boss }, { organizationId, ...period });
  const waiting = await askForComparison({ db, boss }, { organizationId, ...period });
  await sql`
    update metering.reconcile_requests set done_at = now() - interval '8 days', error = 'x' where id = ${old}
  `.execute(db);

  await remindOfRequests({ db: books.deps.db, boss });

  expect(await readRequest(db, { organizationId, id: old })).toBeUndefined();
  expect(await readRequest(db, { organizationId, id: waiting })).toEqual({ state: "waiting" });
});

async function untilEnded(db: Parameters<typeof readRequest>[0], request: Parameters<typeof readRequest>[1]) {
  const read = () => readRequest(db, request);
  await until(async () => (await read())?.state !== "waiting", { what: "the request to be answered" });
  return read();
}
