import { expect } from "vitest";
import { encodeCursor } from "../../http/cursor.ts";
import { apiTest as test } from "../../testing/fixtures/api-fixture.ts";

test.for(["0000-01-01T00:00:00Z", "2026-11-20T10:00:00", "yesterday"])(
  "a cursor with the time %s is none of this list's",
  async (time, { api }) => {
    const path = `/v1/stripe-events?cursor=${encodeCursor([time, "evt_1"])}`;
    const { status, body } = await api.ask("GET", path, { token: api.adminToken });
    expect({ status, code: body["code"] }).toEqual({ status: 400, code: "invalid_cursor" });
  },
);

test("a cursor with a time of any number of digits begins a page", async ({ api }) => {
  const path = `/v1/stripe-events?cursor=${encodeCursor([`2026-11-20T10:00:00.${"1".repeat(130)}Z`, "evt_1"])}`;
  expect(await api.ask("GET", path, { token: api.adminToken })).toMatchObject({ status: 200 });
});
