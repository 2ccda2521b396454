import { sql } from "kysely";
import { expect } from "vitest";
import { cliTest } from "../testing/fixtures/cli-fixture.ts";
import { actAs } from "./operator-actions.ts";
import { listActions } from "./list-actions.ts";

const test = cliTest;
const all = { before: undefined, limit: 100 };

test("what the API's and the command line's operators do is written down, in its order", async ({
  api,
  cli,
  database: { db },
}) => {
  const ask = (method: string, path: string, json?: unknown) =>
    api.ask(method, `/v1/${path}`, { token: api.adminToken, ...(json !== undefined && { json }) });
  const { id, keyId } = await api.join();
  await ask("DELETE", `organizations/${id}/api-keys/${keyId}`);
  await ask("PUT", `organizations/${id}/subscription`, { stripe_customer_id: "cus_1", status: "active" });
  await ask("DELETE", `organizations/${id}/subscription`);
  await ask("PATCH", `organizations/${id}`, { name: "Other" });
  await ask("POST", "delivery/pause", { reason: "noon", meter: "active_sensors" });
  await cli(["resume"]);
  await cli(["organization", "rename", id, "Third"]);
  await cli(["events", "retry", "--state", "rejected"]);

  const actions = (await listActions(db, all)).toReversed();
  expect(actions.map(({ via, action, subject, affected }) => [via, action, subject, affected])).toEqual([
    ["api", "create_organization", null, null],
    ["api", "create_api_key", keyId, null],
    ["api", "revoke_api_key", keyId, null],
    ["api", "link_customer", "cus_1", null],
    ["api", "unlink_customer", null, null],
    ["api", "update_organization", null, null],
    ["api", "pause_delivery", "active_sensors", null],
    ["cli", "resume_delivery", null, 1],
    ["cli", "update_organization", null, null],
    ["cli", "retry_meter_events", "all rejected", 0],
  ]);
  expect(actions.slice(0, 6).every(({ organizationId }) => organizationId === id)).toBe(true);
});

test("what was refused is not written down", async ({ api, database: { db } }) => {
  const token = api.adminToken;
  const unknown = "00000000-0000-7000-8000-000000000000";
  for (const [method, path, json] of [
    ["POST", `meter-events/${unknown}/retry`],
    ["POST", `meter-events/${unknown}/resolve`, { resolution: "delivered", reason: "x" }],
    ["POST", "stripe-events/evt_none/replay"],
    ["POST", `organizations/${unknown}/api-keys`, {}],
    ["DELETE", `organizations/${unknown}/subscription`],
  ] as const) {
    await api.ask(method, `/v1/${path}`, { token, ...(json !== undefined && { json }) });
  }
  expect(await listActions(db, all)).toEqual([]);
});

test("an action and its row are both done or neither, and no row is ever changed", async ({
  database: { db },
}) => {
  const operator = { via: "console", name: "Ada" } as const;
  const seal = () => ({ action: "seal" }) as const;
  await expect(
    actAs(
      { db, operator },
      async () => {
        throw new Error("it failed");
      },
      seal,
    ),
  ).rejects.toThrow("it failed");
  expect(await listActions(db, all)).toEqual([]);

  await actAs({ db, operator }, async () => {}, seal);
  for (const change of [
    "update metering.operator_actions set operator = 'x'",
    "delete from metering.operator_actions",
  ])
    await expect(sql.raw(change).execute(db)).rejects.toThrow("is immutable");
  expect(await listActions(db, all)).toMatchObject([{ operator: "Ada", via: "console" }]);
});
