import { expect, test } from "vitest";
import { createSimulator, type SimulatorOptions } from "../create-simulator.ts";

const requestOptions: SimulatorOptions = {
  meters: [{ event_name: "readings", formula: "sum" }],
  customers: ["cus_1", "cus_2"],
};

test("the state counts what happened", async () => {
  const { post, get } = simulatorWith(requestOptions);
  await send(post, "id-1", "cus_1", "5");
  await send(post, "id-1", "cus_1", "5");
  await send(post, "id-2", "cus_none", "5");

  expect(await get("/_simulator/state")).toMatchObject({
    requests: 3,
    counted: 1,
    identifiers_counted: 1,
    double_counted: 0,
    duplicates: 1,
    async_errors: 1,
    meters: 1,
    customers: 2,
  });
});

test("meter events can be asked for by identifier, meter and customer, with a limit", async () => {
  const { post, get } = simulatorWith(requestOptions);
  await send(post, "id-1", "cus_1", "5");
  await send(post, "id-2", "cus_2", "6");
  await send(post, "id-3", "cus_2", "7");

  expect(await get("/_simulator/meter_events?customer=cus_2&limit=1&offset=1")).toMatchObject({
    total: 2,
    data: [{ identifier: "id-3", value: "7", times_counted: 1, event_name: "readings", customer: "cus_2" }],
  });
  expect(await get("/_simulator/meter_events?identifier=id-1&event_name=readings")).toMatchObject({
    total: 1,
  });
  expect(await get("/_simulator/meter_events?double_counted=true")).toMatchObject({ total: 0 });
});

test("a meter event names every request that carried its identifier", async () => {
  const { post, get } = simulatorWith(requestOptions);
  const first = await send(post, "id-1", "cus_1", "5");
  const second = await send(post, "id-1", "cus_1", "5");

  expect(await get("/_simulator/meter_events")).toMatchObject({
    data: [{ request_ids: [first.headers.get("request-id"), second.headers.get("request-id")] }],
  });
});

test("requests are summed up by outcome and endpoint, and the latest kept in full", async () => {
  const { post, get } = simulatorWith(requestOptions);
  await send(post, "id-1", "cus_1", "5");
  await send(post, "id-1", "cus_1", "5");

  expect(await get("/_simulator/requests")).toMatchObject({
    total: 2,
    by_outcome: { "200": 1, "400": 1 },
    by_route: { "POST /v1/billing/meter_events": 2 },
    max_in_flight: [{ event_name: "readings", customer: "cus_1", max: 1 }],
    recent: [{ outcome: "200", identifiers: ["id-1"] }, { outcome: "400" }],
  });
});

test("a bill can be asked for by customer and by time", async () => {
  const { post, get } = simulatorWith(requestOptions);
  await send(post, "id-1", "cus_1", "5");
  await send(post, "id-2", "cus_1", "6");
  await send(post, "id-3", "cus_2", "7");
  const now = Math.floor(Date.now() / 1000);

  expect(await get("/_simulator/bill?customer=cus_1")).toEqual({
    data: [{ customer: "cus_1", event_name: "readings", aggregation: "sum", total: "11", counts: 2 }],
  });
  expect(await get(`/_simulator/bill?end_time=${now - 3_600}`)).toEqual({ data: [] });
});

test("the clock can be set, advanced and frozen", async () => {
  const { post } = simulatorWith({ realNowMs: () => 0 });
  const set = await post("/_simulator/clock", { now: "2026-11-20T10:00:00Z", frozen: true });
  const advanced = await post("/_simulator/clock", { advance_seconds: 60 });
  const back = await post("/_simulator/clock", { now: 1_000, frozen: false });

  expect(await set.json()).toEqual({ now: "2026-11-20T10:00:00.000Z", unix: 1_795_168_800, frozen: true });
  expect(await advanced.json()).toMatchObject({ now: "2026-11-20T10:01:00.000Z" });
  expect(await back.json()).toEqual({ now: "1970-01-01T00:16:40.000Z", unix: 1_000, frozen: false });
});

test("settings change one by one", async () => {
  const { post, get } = simulatorWith({});
  await post("/_simulator/settings", { last_order: "arrival" });
  await post("/_simulator/settings", { parallel_status: 429 });

  expect(await get("/_simulator/settings")).toMatchObject({
    last_order: "arrival",
    parallel_status: 429,
    identifier_window_seconds: 86_400,
  });
});

test("a key can be revoked and made good again", async () => {
  const { post } = simulatorWith(requestOptions);
  await post("/_simulator/keys", { key: "sk_test_x", status: "revoked" });
  const revoked = await send(post, "id-1", "cus_1", "5");
  await post("/_simulator/keys", { key: "sk_test_x", status: "active" });
  const active = await send(post, "id-1", "cus_1", "5");

  expect([revoked.status, active.status]).toEqual([401, 200]);
});

test("faults are listed with how often they struck, and removed one by one or all at once", async () => {
  const { app, post, get } = simulatorWith(requestOptions);
  const added = await post("/_simulator/faults", [
    { kind: "status", status: 500, times: 1 },
    { kind: "latency", ms: 1 },
    { kind: "wrong_key", rate: 0 },
  ]);
  const id = /"id":"(\w+)"/.exec(await added.text())?.[1] ?? "";
  await send(post, "id-1", "cus_1", "5");

  expect(await get("/_simulator/faults")).toMatchObject({
    data: [{ id, kind: "status", fired: 1 }, { kind: "latency", fired: 1 }, { fired: 0 }],
  });
  const one = await app.request(`/_simulator/faults/${id}`, { method: "DELETE" });
  const rest = await app.request("/_simulator/faults", { method: "DELETE" });
  expect([await one.json(), await rest.json()]).toEqual([{ removed: 1 }, { removed: 2 }]);
});

test.each([
  ["/_simulator/faults", { kind: "unheard_of" }],
  ["/_simulator/faults", { kind: "latency", ms: -1 }],
  ["/_simulator/clock", { now: "yesterday" }],
  ["/_simulator/settings", { last_odrer: "arrival" }],
  ["/_simulator/keys", { key: "sk_test_x" }],
  ["/_simulator/customers", { ids: [] }],
  ["/_simulator/webhook_endpoints", { url: "ftp://example.com", secrets: ["whsec_one"] }],
  ["/_simulator/webhook_endpoints", { url: "http://example.com", secrets: [] }],
  ["/_simulator/webhook_deliveries/release", { order: "sideways" }],
  ["/_simulator/events", { type: "customer.created" }],
  ["/_simulator/error_reports", { samples_max: -1 }],
  ["/_simulator/checkout/cs_1/complete", { async: true, payment_status: "paid" }],
  ["/_simulator/subscriptions/sub_1/cycle", { payment: "perhaps" }],
])("%s refuses %j and says why", async (path, body) => {
  const response = await simulatorWith({}).post(path, body);

  expect(response.status).toBe(400);
  expect(await response.json()).toHaveProperty("error");
});

test("customers can be given ids of one's own", async () => {
  const { post } = simulatorWith({ meters: [{ event_name: "readings", formula: "sum" }] });
  await post("/_simulator/customers", { ids: ["cus_mine"] });
  const response = await send(post, "id-1", "cus_mine", "5");

  expect(response.status).toBe(200);
});

test("a subscription that is not there cannot be changed", async () => {
  const response = await simulatorWith({}).post("/_simulator/subscriptions/sub_none", { status: "active" });

  expect(response.status).toBe(404);
});

test("asynchronous errors are listed", async () => {
  const { post, get } = simulatorWith(requestOptions);
  await send(post, "id-1", "cus_none", "5");

  expect(await get("/_simulator/async_errors")).toMatchObject({
    data: [{ code: "meter_event_customer_not_found", event_name: "readings", identifier: "id-1" }],
  });
});

test("a reset leaves what the simulator was created with", async () => {
  const { post, get } = simulatorWith(requestOptions);
  await send(post, "id-1", "cus_1", "5");
  await post("/_simulator/settings", { last_order: "arrival" });
  await post("/_simulator/customers", { ids: ["cus_mine"] });
  await post("/_simulator/reset", {});

  expect(await get("/_simulator/state")).toMatchObject({ counted: 0, requests: 0, meters: 1, customers: 2 });
  expect(await get("/_simulator/settings")).toMatchObject({ last_order: "timestamp" });
});

type Post = (path: string, body: unknown) => Promise<Response>;

function simulatorWith(options: SimulatorOptions) {
  const { app } = createSimulator(options);
  return {
    app,
    get: async (path: string): Promise<unknown> => (await app.request(path)).json(),
    post: async (path: string, body: unknown): Promise<Response> => {
      const isForm = typeof body === "string";
      return app.request(path, {
        method: "POST",
        headers: {
          Authorization: "Bearer sk_test_x",
          "Content-Type": isForm ? "application/x-www-form-urlencoded" : "application/json",
        },
        body: isForm ? body : JSON.stringify(body),
      });
    },
  };
}

function send(post: Post, identifier: string, customer: string, value: string): Promise<Response> {
  return post(
    "/v1/billing/meter_events",
    `event_name=readings&payload[stripe_customer_id]=${customer}&payload[value]=${value}&identifier=${identifier}`,
  );
}
