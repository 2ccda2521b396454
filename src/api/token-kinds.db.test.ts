import { expect } from "vitest";
import { apiTest, type Api } from "../testing/fixtures/api-fixture.ts";
import { documentSchema, type Operation, operationsOf } from "../testing/openapi/document.ts";

/** The routes that are open to all, and the one that Stripe signs. A new route without a token must be added here. */
const withoutToken = [
  "GET /",
  "GET /docs",
  "GET /healthz",
  "GET /metrics",
  "GET /openapi.json",
  "GET /readyz",
  "POST /webhooks/stripe",
];

const nobodysId = "01a1fd84-aad0-7fd8-87c3-956ea5c0f2ee";

const nameOf = ({ method, path }: Operation) => `${method} ${path}`;

async function operationsFor(api: Api, token: Operation["token"]): Promise<Operation[]> {
  const { body } = await api.ask("GET", "/openapi.json");
  return operationsOf(documentSchema.parse(body)).filter((operation) => operation.token === token);
}

/** The statuses that every route answers to a token, by the route's name. No route would take the body. */
async function answersTo(api: Api, operations: readonly Operation[], token: string | undefined) {
  const asked = operations.map(async (operation) => {
    const path = operation.path.replaceAll(/\{\w+\}/g, nobodysId);
    const options = { ...(token !== undefined && { token }), ...(operation.requestBody && { json: [[]] }) };
    return [nameOf(operation), (await api.askText(operation.method, path, options)).status] as const;
  });
  return Object.fromEntries(await Promise.all(asked));
}

const allAnswer = (operations: readonly Operation[], status: number) =>
  Object.fromEntries(operations.map((operation) => [nameOf(operation), status]));

apiTest("the routes that need no token are these, and no others", async ({ api }) => {
  const open = await operationsFor(api, undefined);
  expect(open.map(nameOf).toSorted()).toEqual(withoutToken);
});

apiTest("no operator's route opens to a key, to no token, or to another token", async ({ api }) => {
  const operations = await operationsFor(api, "adminToken");
  const { key } = await api.join(["ingest", "read"]);
  expect(operations.length).toBeGreaterThan(10);
  for (const token of [undefined, key, `${api.adminToken}x`, api.adminToken.slice(0, -1)]) {
    expect(await answersTo(api, operations, token)).toEqual(allAnswer(operations, 401));
  }
  expect(Object.values(await answersTo(api, operations, api.adminToken))).not.toContain(401);
});

apiTest(
  "no organization's route opens to the operator's token, to none, or to a wrong key",
  async ({ api }) => {
    const operations = await operationsFor(api, "apiKey");
    const { id, key, keyId } = await api.join();
    const revoked = await api.ask("DELETE", `/v1/organizations/${id}/api-keys/${keyId}`, {
      token: api.adminToken,
    });
    expect(revoked.status).toBe(204);
    expect(operations.length).toBeGreaterThan(5);
    for (const token of [undefined, api.adminToken, key, `mo_${"a".repeat(43)}`, "mo_"]) {
      expect(await answersTo(api, operations, token)).toEqual(allAnswer(operations, 401));
    }
  },
);

apiTest("what reads needs the scope read, what writes needs ingest, on every route", async ({ api }) => {
  const operations = await operationsFor(api, "apiKey");
  const reading = operations.filter(({ method }) => method === "GET");
  const writing = operations.filter(({ method }) => method !== "GET");
  const reader = await api.join(["read"]);
  const writer = await api.join(["ingest"]);

  expect(await answersTo(api, writing, reader.key)).toEqual(allAnswer(writing, 403));
  expect(await answersTo(api, reading, writer.key)).toEqual(allAnswer(reading, 403));
  for (const [allowed, key] of [
    [reading, reader.key],
    [writing, writer.key],
  ] as const) {
    const statuses = Object.values(await answersTo(api, allowed, key));
    expect(statuses.filter((status) => status === 401 || status === 403)).toEqual([]);
  }
});

apiTest(
  "a key is nowhere in the database, neither whole nor without its prefix",
  async ({ api, database: { pool } }) => {
    const { key } = await api.join();
    await api.ask("GET", "/v1/sensors", { token: key });
    const { rows: tables } = await pool.query<{ name: string }>(`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')
  `);
    expect(tables.map(({ name }) => name)).toContain("metering.api_keys");
    for (const { name } of tables) {
      const found = await pool.query(`select from ${name} t where t::text like $1`, [`%${key.slice(11)}%`]);
      expect(found.rowCount, name).toBe(0);
    }
  },
);
