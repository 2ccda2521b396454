import { expect } from "vitest";
import { apiTest as test } from "../testing/fixtures/api-fixture.ts";
import { operationsOf } from "../testing/openapi/document.ts";
import { readDocument } from "../testing/openapi/checked-requests.ts";

test("a query parameter that a route does not know is refused by name, on every route", async ({ api }) => {
  const { key } = await api.join();
  const tokens = { adminToken: api.adminToken, apiKey: key };
  for (const { method, path, token } of operationsOf(await readDocument(api.app))) {
    const address = `${path.replaceAll(/\{\w+\}/g, "01a202c2-ae10-7785-866f-9599d040330f")}?stat=rejected`;
    const { status, body } = await api.ask(
      method,
      address,
      token === undefined ? {} : { token: tokens[token] },
    );
    expect({ status, errors: body["errors"] }, `${method} ${path}`).toEqual({
      status: 400,
      errors: [{ pointer: "stat", code: "unknown_parameter", detail: "This parameter is not known." }],
    });
  }
});

test("the key is asked for first, and those parameters that a route knows are taken", async ({ api }) => {
  const { key: token } = await api.join();
  expect((await api.ask("GET", "/v1/sensors?stat=rejected")).status).toBe(401);
  expect((await api.ask("GET", "/v1/sensors?active=true&limit=1", { token })).status).toBe(200);
});
