import { expect } from "vitest";
import { booksTest } from "../../testing/fixtures/books-fixture.ts";
import { unknownId } from "../../testing/fixtures/meter-events-fixture.ts";
import { createTestApi } from "../../testing/processes/api-app.ts";
import { until } from "../../testing/processes/until.ts";
import { ago, minuteMs } from "../../testing/rows/meter-events.ts";

const hour = 60 * minuteMs;
const day = 24 * hour;

const test = booksTest.extend("patient", ({ api, database, boss }) => {
  const { db, pool } = database.as("api");
  const { app } = createTestApi({ db, pool, url: database.url }, { boss, adminToken: api.adminToken });
  /** Asks an API that waits as long as in production. */
  return async (path: string, json: unknown = {}) => {
    const headers = { authorization: `Bearer ${api.adminToken}`, "content-type": "application/json" };
    const response = await app.request(path, { method: "POST", headers, body: JSON.stringify(json) });
    return { status: response.status, body: await response.json() };
  };
});

test("an organization's usage is compared by a worker while the request waits", async ({
  patient,
  books,
  road,
}) => {
  await books.addBoth({ at: ago(3 * day), quantity: 5 });
  await books.addBoth({ at: ago(2 * hour), quantity: 4, meter: "active_sensors" });
  await road.startWorker();

  expect(await patient(`/v1/organizations/${books.organizationId}/reconcile`)).toMatchObject({
    status: 200,
    body: {
      windows: [
        { meter: "temperature_readings", ours: "5", theirs: "5", result: "equal" },
        { meter: "active_sensors", ours: "4", theirs: "4", result: "equal" },
      ],
      reads: 2,
    },
  });
});

test("what takes longer is answered later, where Location says", async ({ api, books, road }) => {
  const token = api.adminToken;
  await books.addBoth({ at: ago(3 * day), quantity: 5 });
  const path = `/v1/organizations/${books.organizationId}/reconcile`;
  const waiting = await api.ask("POST", path, { token });
  const location = waiting.headers.get("location") ?? "";
  expect([waiting.status, location.startsWith(`${path}/`)]).toEqual([202, true]);
  expect((await api.ask("GET", location, { token })).status).toBe(202);

  await road.startWorker();
  const answer = () => api.ask("GET", location, { token });
  await until(async () => (await answer()).status === 200, { what: "the answer" });
  expect((await answer()).body).toMatchObject({ windows: [{ ours: "5", result: "equal" }, {}] });
});

test("a stretch of time is compared by whole minutes", async ({ patient, books, road }) => {
  const at = ago(3 * day);
  await books.addBoth({ at, quantity: 5 });
  await books.addBoth({ at: ago(5 * day), quantity: 50 });
  await road.startWorker();

  const period = {
    from: new Date(at.getTime() - 1).toISOString(),
    to: new Date(at.getTime() + 1).toISOString(),
  };
  const answer = await patient(`/v1/organizations/${books.organizationId}/reconcile`, { period });

  expect(answer).toMatchObject({ status: 200, body: { windows: [{ ours: "5", theirs: "5" }, {}] } });
});

test.for([
  [{ period: "next" }, 400],
  [{ period: { from: "2026-11-01T00:00:00Z", to: "2026-11-01T00:00:00Z" } }, 400],
  [{ period: { from: "2026-11-01" } }, 400],
  [{ since: 1 }, 400],
] as const)("%j is refused", async ([json, expected], { api, books }) => {
  const path = `/v1/organizations/${books.organizationId}/reconcile`;
  expect(await api.ask("POST", path, { token: api.adminToken, json })).toMatchObject({ status: expected });
});

test.for([{ period: "next" }, { period: { from: "2026-11-01" } }, { period: 1 }])(
  "of the period in %j it is said what it may be",
  async (json, { api, books }) => {
    const path = `/v1/organizations/${books.organizationId}/reconcile`;
    const { body } = await api.ask("POST", path, { token: api.adminToken, json });
    const detail =
      'must be "current", "last" or an object of two times, from and to, such as 2026-11-01T00:00:00Z';
    expect(body["errors"]).toMatchObject([{ pointer: "/period", detail }]);
  },
);

test("neither an unknown organization nor another one's request is found", async ({ api, books }) => {
  const { organizationId } = books;
  const other = await api.join();
  const token = api.adminToken;
  expect(await api.ask("POST", `/v1/organizations/${unknownId}/reconcile`, { token })).toMatchObject({
    status: 404,
  });
  expect(
    await api.ask("GET", `/v1/organizations/${organizationId}/reconcile/${unknownId}`, { token }),
  ).toMatchObject({ status: 404 });
  const asked = await api.ask("POST", `/v1/organizations/${organizationId}/reconcile`, { token });
  const request = String(asked.body["id"]);
  expect(await api.ask("GET", `/v1/organizations/${other.id}/reconcile/${request}`, { token })).toMatchObject(
    { status: 404 },
  );
});

test("time that has not come is nothing to compare", async ({ api, books }) => {
  const period = { from: ago(-hour).toISOString(), to: ago(-2 * hour).toISOString() };
  const path = `/v1/organizations/${books.organizationId}/reconcile`;
  expect(await api.ask("POST", path, { token: api.adminToken, json: { period } })).toMatchObject({
    status: 200,
    body: { windows: [], reads: 0 },
  });
});
