import fc from "fast-check";
import { sql } from "kysely";
import { z } from "zod";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { webhookSecrets } from "../../testing/fixtures/api-fixture.ts";
import { meterEventsTest } from "../../testing/fixtures/meter-events-fixture.ts";
import { documentSchema, type Operation, operationsOf } from "../../testing/openapi/document.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";
import { keepChangeLedger, type ReadChanges } from "./change-ledger.ts";
import type { Source } from "./fits-schema.ts";
import type { Known } from "./fuzz-request.ts";

/** A service, its known ids and tokens, and its OpenAPI document. */
export type Fuzzed = {
  source: Source;
  operations: Operation[];
  known: Known;
  wrongTokens: readonly string[];
  readChanges: ReadChanges;
};

const listed = z.object({ data: z.array(z.object({ id: z.string() })) });

/** Vitest's `test` with a service that has some of everything, and the ids of it. */
export const fuzzTest = meterEventsTest.extend(
  "fuzzed",
  async ({ api, events, database }): Promise<Fuzzed> => {
    const { db } = database;
    const document = documentSchema.parse((await api.ask("GET", "/openapi.json")).body);
    const own = await api.join();
    const other = await api.join();
    const revoked = await api.join();
    const token = api.adminToken;
    await api.ask("DELETE", `/v1/organizations/${revoked.id}/api-keys/${revoked.keyId}`, { token });

    const sensors = ["a", "b", "off", "A.b_c:d-1"];
    const json = { sensors: sensors.map((id) => ({ id })) };
    await api.ask("POST", "/v1/sensors", { token: own.key, json });
    await api.ask("PUT", "/v1/sensors/off", { token: own.key, json: { active: false } });
    const readings = [1, 2, 3].map((hours) => ({
      sensor_id: "a",
      recorded_at: new Date(Date.now() - hours * 3_600_000).toISOString(),
      temperature: -18.4,
    }));
    await api.ask("POST", "/v1/readings", { token: own.key, json: readings });
    await linkCustomer(db, own.id, { customer: "cus_own" });
    for (const state of meterEventStates) await events.seal({ state, meter: "active_sensors" });
    await sql`update metering.meter_events set delivered_at = now() where state = 'delivered'`.execute(db);
    await sql`
    insert into metering.stripe_events (event_id, event_type, livemode, payload, state)
    select 'evt_' || state, 'customer.updated', false, '{}', state from unnest(array['pending', 'failed', 'refused']) state
  `.execute(db);
    const keys = `/v1/organizations/${own.id}/api-keys`;
    for (const name of ["one", "two"]) await api.ask("POST", keys, { token, json: { name } });

    const idsOf = async (path: string) => {
      const { body } = await api.ask("GET", path, { token });
      return listed.parse(body).data.map(({ id }) => id);
    };
    const known: Known = {
      tokens: { adminToken: token, apiKey: own.key },
      webhookSecret: webhookSecrets[0] ?? "",
      organizationId: own.id,
      ids: {
        "/v1/organizations/{id}": [own.id, other.id],
        // Never the key that the requests themselves carry.
        "/v1/organizations/{id}/api-keys/{key_id}": (await idsOf(keys)).filter((id) => id !== own.keyId),
        "/v1/meter-events/{id}": await idsOf("/v1/meter-events"),
        "/v1/stripe-events/{id}": await idsOf("/v1/stripe-events"),
        "/v1/sensors/{sensor_id}": sensors,
      },
    };
    const wrongTokens = [revoked.key, `${own.key.slice(0, -1)}!`, "x", ""];
    return {
      source: {
        components: document.components,
        meaningful: { sensor_id: sensors.slice(0, 2), time_zone: ["UTC", "Europe/Berlin", "Asia/Kathmandu"] },
      },
      // A failure prints requests, which are unreadable with the whole document's part about their route.
      operations: operationsOf(document).map((one) => ({
        ...one,
        [fc.toStringMethod]: () => one.operationId,
      })),
      known,
      wrongTokens,
      readChanges: await keepChangeLedger(database),
    };
  },
);
