import { expect } from "vitest";
import { countSensors } from "../../intake/count-sensors.ts";
import { type Api, apiTest as test } from "../../testing/fixtures/api-fixture.ts";
import { addMeterEvent } from "../../testing/rows/meter-events.ts";
import { linkCustomer } from "../../testing/rows/organizations.ts";

const unknownId = "00000000-0000-7000-8000-000000000000";

function operator(api: Api) {
  const ask = (method: string, path: string, json?: unknown) =>
    api.ask(method, `/v1/${path}`, { token: api.adminToken, ...(json !== undefined && { json }) });
  return {
    ask,
    create: (json: Record<string, unknown>) => ask("POST", "organizations", json),
    change: (id: string, json: Record<string, unknown>) => ask("PATCH", `organizations/${id}`, json),
    show: async (id: string) => (await ask("GET", `organizations/${id}`)).body,
  };
}

test("an external id stands in place of the id, written plainly or encoded", async ({ api }) => {
  const { ask, create } = operator(api);
  const externalId = "crm:Ac.me_4-2@eu";
  const { status, body: created } = await create({ name: "Acme", external_id: externalId });
  expect({ status, created }).toMatchObject({ status: 201, created: { external_id: externalId } });

  for (const reference of [`external:${externalId}`, encodeURIComponent(`external:${externalId}`)]) {
    const path = `organizations/${reference}`;
    expect((await ask("GET", path)).body).toMatchObject(created);
    expect((await ask("PATCH", path, { name: "Other" })).body).toMatchObject({
      id: created["id"],
      name: "Other",
    });
    const json = { stripe_customer_id: "cus_1", status: "active" };
    expect((await ask("PUT", `${path}/subscription`, json)).status).toBe(200);
    expect((await ask("DELETE", `${path}/subscription`)).status).toBe(204);
    const key = await ask("POST", `${path}/api-keys`, {});
    expect((await ask("DELETE", `${path}/api-keys/${String(key.body["id"])}`)).status).toBe(204);
    expect((await ask("GET", `${path}/api-keys`)).status).toBe(200);
    expect((await ask("GET", `meter-events?organization_id=${reference}`)).body["data"]).toEqual([]);
    await ask("PATCH", path, { name: "Acme" });
  }
  const retry = { state: "rejected", organization_id: `external:${externalId}` };
  expect((await ask("POST", "meter-events/retry", retry)).body).toEqual({ retried: 0 });
});

test("no route of an organization takes ids alone", async ({ api }) => {
  const { body } = await api.ask("GET", "/openapi.json");
  const paths = Object.entries(body["paths"] as Record<string, Record<string, { parameters?: unknown[] }>>);
  const routes = paths.filter(([path]) => path.startsWith("/v1/organizations/{id}"));
  expect(routes.length).toBeGreaterThan(3);
  for (const [path, methods] of routes) {
    for (const { parameters } of Object.values(methods)) {
      const named = expect.objectContaining({
        name: "id",
        schema: { anyOf: [expect.anything(), expect.anything()] },
      });
      expect(parameters, path).toContainEqual(named);
    }
  }
});

test("an external id that leads nowhere is not found, in a path and as a filter", async ({ api }) => {
  const { ask } = operator(api);
  for (const id of ["external:nobody", "external:", "external:a%20b", "external:%2F", "external:ä"]) {
    const answer = await ask("GET", `organizations/${id}`);
    expect(answer, id).toMatchObject({ status: 404, body: { code: "not_found" } });
  }
  const retry = { state: "rejected", organization_id: "external:nobody" };
  expect((await ask("POST", "meter-events/retry", retry)).status).toBe(404);
  expect((await ask("GET", "meter-events?organization_id=external:nobody")).status).toBe(404);
  expect((await ask("GET", "meter-events?organization_id=acme")).status).toBe(400);
});

test("an external id of other characters is refused", async ({ api }) => {
  const { create } = operator(api);
  const refused = ["", " ", "a b", "a/b", "ä", "a\n", "a\0", "'--", "a?b", "external:a", "x".repeat(129), 7];
  for (const externalId of refused) {
    const answer = await create({ name: "Acme", external_id: externalId });
    expect(answer, String(externalId)).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: "/external_id" }] },
    });
  }
  expect((await create({ name: "Acme", external_id: "x".repeat(128) })).status).toBe(201);
});

test("an external id belongs to one organization, and is free again when it is given up", async ({ api }) => {
  const { ask, create, change } = operator(api);
  const first = String((await create({ name: "Acme", external_id: "42" })).body["id"]);
  const second = String((await create({ name: "Acme" })).body["id"]);
  const taken = { status: 409, body: { code: "external_id_taken", organization_id: first } };

  expect(await create({ name: "Acme", external_id: "42" })).toMatchObject(taken);
  expect(await change(second, { name: "Other", external_id: "42" })).toMatchObject(taken);
  expect((await ask("GET", `organizations/${second}`)).body).toMatchObject({
    name: "Acme",
    external_id: null,
  });
  expect((await change(first, { external_id: "42" })).status).toBe(200);

  expect((await change(first, { external_id: null })).body).toMatchObject({ external_id: null });
  expect((await change(second, { external_id: "42" })).body).toMatchObject({
    name: "Acme",
    external_id: "42",
  });
});

test("of two that ask for one external id at once, one gets it", async ({ api }) => {
  const { create, change } = operator(api);
  const ids = await Promise.all(
    [1, 2, 3, 4].map(async () => String((await create({ name: "Acme" })).body["id"])),
  );
  const changes = await Promise.all(ids.map((id) => change(id, { external_id: "42" })));
  expect(changes.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409]);
  const made = await Promise.all([1, 2, 3].map(() => create({ name: "Acme", external_id: "43" })));
  expect(made.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409]);
});

test("a name may be anybody's, in any script, and only what is named changes", async ({ api }) => {
  const { create, change, show } = operator(api);
  const { body } = await create({ name: "Acme", external_id: "42" });
  const id = String(body["id"]);
  await create({ name: "Ünïcode 株式会社 🧊" });
  expect((await change(id, { name: " Ünïcode 株式会社 🧊 " })).body).toEqual({
    ...(await show(id)),
    name: "Ünïcode 株式会社 🧊",
    external_id: "42",
    archived: false,
    archived_at: null,
  });
  expect((await change(id, {})).status).toBe(200);
  expect((await change(id, { name: "" })).status).toBe(400);
  expect((await change(id, { status: "x" })).status).toBe(400);
  expect((await change(unknownId, { name: "x" })).status).toBe(404);
});

test("the list is narrowed to an external id, and to archived organizations or the others", async ({
  api,
}) => {
  const { ask, create, change } = operator(api);
  const named = String((await create({ name: "a", external_id: "42" })).body["id"]);
  const archived = String((await create({ name: "b" })).body["id"]);
  await change(archived, { archived: true });
  const idsOf = async (query: string) =>
    ((await ask("GET", `organizations?${query}`)).body["data"] as { id: string }[]).map(({ id }) => id);
  expect(await idsOf("external_id=42")).toEqual([named]);
  expect(await idsOf("external_id=43")).toEqual([]);
  expect(await idsOf("archived=true")).toEqual([archived]);
  expect(await idsOf("archived=false")).toEqual([named]);
  expect(await idsOf("")).toEqual([named, archived]);
  expect((await ask("GET", "organizations?archived=maybe")).status).toBe(400);
});

test("an archived organization reads, and writes nothing, until it is taken back", async ({ api }) => {
  const { ask, change, show } = operator(api);
  const { id, key } = await api.join();
  const sensors = { token: key, json: { sensors: [{ id: "a" }] } };
  await api.ask("POST", "/v1/sensors", sensors);
  const archived = await change(id, { archived: true });
  expect(archived.body).toMatchObject({ archived: true, archived_at: expect.any(String) as unknown });
  expect((await change(id, { archived: true })).body).toEqual(archived.body);
  // The key was never seen while the organization was not archived, or half a second has to pass.
  const reading = { sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 4 };
  const send = () => api.ask("POST", "/v1/readings", { token: key, json: reading });
  const refused = { status: 403, body: { code: "organization_archived" } };
  await expect.poll(send).toMatchObject(refused);
  expect(await api.ask("POST", "/v1/sensors", sensors)).toMatchObject(refused);
  expect(await api.ask("PUT", "/v1/sensors/b", { token: key, json: {} })).toMatchObject(refused);
  expect((await api.ask("GET", "/v1/sensors", { token: key })).status).toBe(200);
  expect(await ask("POST", `organizations/${id}/api-keys`, {})).toMatchObject({ ...refused, status: 409 });

  expect((await change(id, { archived: false })).body).toMatchObject({ archived: false, archived_at: null });
  await expect.poll(send).toMatchObject({ status: 200 });
  expect(await show(id)).toMatchObject({ sensors: { active: 1 } });
});

test("the sensors of an archived organization are not counted", async ({ api, database: { db } }) => {
  const { change } = operator(api);
  const [current, archived] = [await api.join(), await api.join()];
  for (const [{ id }, customer] of [
    [current, "cus_1"],
    [archived, "cus_2"],
  ] as const) {
    await linkCustomer(db, id, { customer });
  }
  await change(archived.id, { archived: true });
  expect(await countSensors(db, { billableStatuses: ["active"] })).toMatchObject({ organizations: 1 });
  const counted = await db.selectFrom("sensor_counts").select("organization_id").execute();
  expect(counted).toEqual([{ organization_id: current.id }]);
});

test("an organization that comes back is counted soon, once for each time", async ({
  api,
  database: { db },
}) => {
  const { change } = operator(api);
  const { id } = await api.join();
  const noted = () => db.selectFrom("sensor_changes").select("organization_id").execute();
  await change(id, { archived: false });
  await change(id, { archived: true });
  expect(await noted()).toEqual([]);

  await change(id, { archived: false });
  await change(id, { archived: false });

  expect(await noted()).toEqual([{ organization_id: id }]);
});

test("an organization is not archived while its usage waits, and nothing else of the request is done", async ({
  api,
  database: { db },
}) => {
  const { change, show } = operator(api);
  const unsealed = await api.join();
  await api.ask("PUT", "/v1/sensors/a", { token: unsealed.key });
  const reading = { sensor_id: "a", recorded_at: new Date().toISOString(), temperature: 4 };
  await api.ask("POST", "/v1/readings", { token: unsealed.key, json: reading });
  const refused = await change(unsealed.id, { name: "Gone", archived: true });
  expect(refused).toMatchObject({ status: 409, body: { code: "usage_waits" } });
  expect(refused.body["detail"]).toContain("entries are not sealed");
  expect(await show(unsealed.id)).toMatchObject({ name: "Acme", archived: false });

  for (const [state, said] of [
    ["pending", "meter events are pending"],
    ["in_doubt", "meter events are in doubt"],
    ["delivered", undefined],
    ["rejected", undefined],
  ] as const) {
    const { id } = await api.join();
    await addMeterEvent(db, { organization_id: id, state });
    const answer = await change(id, { archived: true });
    const isTold = String(answer.body["detail"]).includes(said ?? "undefined");
    expect({ status: answer.status, isTold }, state).toEqual({
      status: said === undefined ? 200 : 409,
      isTold: true,
    });
  }
});

test("an organization that is unlinked has no subscription, and can be linked again", async ({ api }) => {
  const { ask, show } = operator(api);
  const { id } = await api.join();
  const link = { stripe_customer_id: "cus_1", stripe_subscription_id: "sub_1", status: "active" };
  await ask("PUT", `organizations/${id}/subscription`, link);
  for (const time of ["first", "second"]) {
    expect((await ask("DELETE", `organizations/${id}/subscription`)).status, time).toBe(204);
    expect(await show(id)).toMatchObject({ subscription: null });
  }
  await ask("PUT", `organizations/${id}/subscription`, link);
  expect(await show(id)).toMatchObject({ subscription: link });
  expect((await ask("DELETE", `organizations/${unknownId}/subscription`)).status).toBe(404);
});
