import { afterEach, beforeEach, expect, test } from "vitest";
import { createSimulator, type Simulator } from "../create-simulator.ts";
import { startReceiver, type Receiver } from "../webhooks/start-receiver.ts";

const customerCreated = { type: "customer.created", data: { object: { id: "cus_1" } } };

let simulator: Simulator;
let receiver: Receiver;

beforeEach(async () => {
  simulator = createSimulator();
  receiver = await startReceiver();
});

afterEach(async () => {
  await simulator.close();
  await receiver.stop();
});

test("an endpoint is registered for snapshot events and all types unless it says otherwise", async () => {
  const registered = await post("webhook_endpoints", { url: receiver.url, secrets: ["whsec_one"] });

  expect(registered).toMatchObject({ url: receiver.url, secrets: ["whsec_one"], payload: "snapshot" });
  expect(await get("webhook_endpoints")).toEqual({ data: [registered] });
});

test("an endpoint is changed field by field", async () => {
  const { id } = register();

  expect(await post(`webhook_endpoints/${id}`, { secrets: ["whsec_two"] })).toMatchObject({
    id,
    url: receiver.url,
    secrets: ["whsec_two"],
    payload: "both",
  });
});

test("an endpoint is removed once", async () => {
  const { id } = register();
  const removed = await remove(`webhook_endpoints/${id}`);

  expect([removed, await remove(`webhook_endpoints/${id}`)]).toEqual([{ removed: 1 }, { removed: 0 }]);
});

test("endpoints of the options are there again after a reset", () => {
  const endpoint = { url: receiver.url, secrets: ["whsec_one"] };
  simulator = createSimulator({ webhookEndpoints: [endpoint] });
  simulator.reset();

  expect(simulator.webhookEndpoints()).toMatchObject([endpoint]);
});

test("an injected event is delivered, and the log tells of it by event, type and outcome", async () => {
  register();
  const event = await post("events", { ...customerCreated, id: "evt_mine" });
  await simulator.deliveriesSettled();

  expect(event).toMatchObject({ id: "evt_mine", object: "event", pending_webhooks: 1 });
  expect(await get("webhook_deliveries?event_id=evt_mine&outcome=delivered")).toMatchObject({
    data: [{ event_id: "evt_mine", type: "customer.created", attempt: 1, status: 200 }],
    held: [],
  });
  expect(await get("webhook_deliveries?type=invoice.paid")).toEqual({ data: [], held: [] });
});

test("held events are shown and released", async () => {
  register();
  await post("settings", { webhook_hold: true });
  await post("events", { ...customerCreated, id: "evt_mine" });
  const deliveries = await get("webhook_deliveries");

  expect(deliveries).toMatchObject({ data: [], held: [{ event_id: "evt_mine", type: "customer.created" }] });
  expect(await post("webhook_deliveries/release", {})).toEqual({ released: 1 });
  expect(receiver.eventIds()).toEqual(["evt_mine"]);
});

test("an event is sent once more, and one that is unknown is not there", async () => {
  register();
  await post("events", { ...customerCreated, id: "evt_mine" });
  const resent = await post("events/evt_mine/resend", {});
  await simulator.deliveriesSettled();

  expect(resent).toEqual({ deliveries: 1 });
  expect(receiver.eventIds()).toEqual(["evt_mine", "evt_mine"]);
  expect(await post("events/evt_none/resend", {})).toHaveProperty("error");
});

test("without errors there is no report", async () => {
  expect(await post("error_reports", { samples_max: 3 })).toEqual({ data: [] });
});

function register() {
  return simulator.addWebhookEndpoint({ url: receiver.url, secrets: ["whsec_one"], payload: "both" });
}

async function get(path: string): Promise<unknown> {
  return (await simulator.app.request(`/_simulator/${path}`)).json();
}

async function post(path: string, body: object): Promise<unknown> {
  const init = { method: "POST", body: JSON.stringify(body) };
  return (await simulator.app.request(`/_simulator/${path}`, init)).json();
}

async function remove(path: string): Promise<unknown> {
  return (await simulator.app.request(`/_simulator/${path}`, { method: "DELETE" })).json();
}
