import { expect } from "vitest";
import { meterEventsTest as test, unknownId } from "../testing/fixtures/meter-events-fixture.ts";

const reason = "a\0b";

test.for([
  ["POST", "/v1/delivery/pause", { reason }, "/reason"],
  ["POST", `/v1/meter-events/${unknownId}/resolve`, { resolution: "delivered", reason }, "/reason"],
  ["POST", "/v1/stripe-events/evt_1/dismiss", { reason }, "/reason"],
  ["GET", "/v1/organizations?external_id=%00", undefined, "external_id"],
  ["GET", "/v1/meter-events?idempotency_key=a%00", undefined, "idempotency_key"],
  ["GET", "/v1/stripe-events/evt_%00", undefined, "id"],
  ["POST", "/v1/stripe-events/evt_%00/replay", undefined, "id"],
] as const)(
  "in %s %s the field that holds U+0000 is named",
  async ([method, path, json, pointer], { api }) => {
    const { status, body } = await api.ask(method, path, { token: api.adminToken, ...(json && { json }) });
    expect(status).toBe(400);
    const detail = "must not hold the character U+0000, which cannot be stored";
    expect(body["errors"]).toMatchObject([{ pointer, detail }]);
  },
);
