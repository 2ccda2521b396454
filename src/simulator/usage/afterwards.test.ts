import { Stripe } from "stripe";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { FaultInput } from "../faults/fault.ts";
import { startSimulator, type RunningSimulator } from "../start-simulator.ts";

const minute = 60;
const nowSeconds = Date.parse("2026-11-20T10:00:00Z") / 1000;
const reportType = "v1.billing.meter.error_report_triggered";

let running: RunningSimulator;
let stripe: Stripe;
let meterId: string;

beforeEach(async () => {
  running = await startSimulator({
    meters: [{ event_name: "readings", formula: "sum" }],
    customers: ["cus_1", "cus_2"],
  });
  running.simulator.setClock({ now: nowSeconds, frozen: true });
  const { host, port } = running;
  stripe = new Stripe("sk_test_x", { host, port, protocol: "http", maxNetworkRetries: 0 });
  meterId = (await stripe.billing.meters.list()).data[0]?.id ?? "";
});

afterEach(() => running.stop());

test("sums that lag are partial for a while, and whole at the bound", async () => {
  running.simulator.setSettings({ summary_delay_seconds: 60, summary_delay_max_seconds: 660 });
  for (let number = 0; number < 20; number += 1) await send(`id-${number}`);
  const shown: number[] = [];
  for (const seconds of [0, 59, 360, 660]) {
    running.simulator.setClock({ now: nowSeconds + seconds });
    shown.push(await sum());
  }

  expect([shown[0], shown[1], shown[3]]).toEqual([0, 0, 20]);
  expect(shown[2]).toBeGreaterThan(5);
  expect(shown[2]).toBeLessThan(15);
});

test("an identifier that is forgotten on demand counts again", async () => {
  await send("id-1");
  await send("id-2");
  const forgotten = await control("meter_events/forget", { identifiers: ["id-1"] });
  await send("id-1");

  expect(forgotten).toEqual({ forgotten: 1 });
  await expect(send("id-1")).rejects.toThrow("already exists");
  await expect(send("id-2")).rejects.toThrow("already exists");
  expect(running.simulator.state()).toMatchObject({ counted: 3, double_counted: 1 });
});

test("usage that counted is refused afterwards, and a report counts all of it and names two", async () => {
  for (let number = 0; number < 5; number += 1) await send(`id-${number}`);
  await send("other", "cus_2");
  const before = await sum();
  const { refused } = running.simulator.refuseUsage({ customer: "cus_1", code: "archived_meter" });
  const reports = await reported({ samples_max: 2 });

  expect([before, await sum(), await sum("cus_2")]).toEqual([5, 0, 1]);
  expect(refused).toHaveLength(5);
  expect(reports).toMatchObject([
    {
      error_count: 5,
      error_types: [
        { code: "archived_meter", error_count: 5, sample_errors: [{ request: { identifier: "id-0" } }, {}] },
      ],
    },
  ]);
  expect(running.simulator.state()).toMatchObject({ counted: 1, async_errors: 5 });
  await expect(send("id-0")).rejects.toThrow("already exists");
});

test("refuse_later answers with 200, counts nothing, and is told of by the next report", async () => {
  fault({ kind: "refuse_later", customer: "cus_1", times: 1 });
  await send("id-0", "cus_2");
  await send("id-1");
  await send("id-2");

  expect([await sum(), await sum("cus_2")]).toEqual([1, 1]);
  expect(running.simulator.asyncErrors()).toMatchObject([
    { identifier: "id-1", code: "meter_event_customer_not_found" },
  ]);
});

test("refuse_later of one customer leaves the others of the same stream request alone", async () => {
  fault({ kind: "refuse_later", customer: "cus_1", code: "timestamp_too_far_in_past" });
  const session = await stripe.v2.billing.meterEventSession.create();
  const events = ["cus_1", "cus_2"].map((customer) => ({
    event_name: "readings",
    identifier: customer,
    payload: { stripe_customer_id: customer, value: "1" },
  }));
  await stripe.v2.billing.meterEventStream.create({ events }, { apiKey: session.authentication_token });

  expect([await sum(), await sum("cus_2")]).toEqual([0, 1]);
  expect(running.simulator.asyncErrors()).toMatchObject([
    { customer: "cus_1", code: "timestamp_too_far_in_past" },
  ]);
});

test("how many failures a report names can be set for all reports", async () => {
  running.simulator.setSettings({ error_report_samples_max: 0 });
  await send("id-1");
  running.simulator.refuseUsage();

  expect(await reported()).toMatchObject([{ error_count: 1, error_types: [{ sample_errors: [] }] }]);
});

test("reads past the quota are refused for 30 days, and sums are counted apart", async () => {
  running.simulator.setSettings({ read_quota: 3 });
  await sum();
  await stripe.billing.meters.list();

  await expect(sum()).rejects.toMatchObject({ statusCode: 429 });
  await send("id-1");
  running.simulator.setSettings({ read_quota: 4 });
  await expect(sum()).resolves.toBe(1);
  running.simulator.setClock({ now: nowSeconds + 30 * 24 * 60 * minute });
  await expect(sum()).resolves.toBe(1);
  expect(running.simulator.state()).toMatchObject({ reads: 5, event_summary_reads: 3, reads_refused: 1 });
});

async function send(identifier: string, customer = "cus_1"): Promise<void> {
  await stripe.billing.meterEvents.create({
    event_name: "readings",
    payload: { stripe_customer_id: customer, value: "1" },
    identifier,
    timestamp: nowSeconds,
  });
}

/** The sum of a customer's readings as the API shows it. */
async function sum(customer = "cus_1"): Promise<number> {
  const { data } = await stripe.billing.meters.listEventSummaries(meterId, {
    customer,
    start_time: nowSeconds,
    end_time: nowSeconds + minute,
  });
  return data[0]?.aggregated_value ?? Number.NaN;
}

function fault(spec: FaultInput): void {
  running.simulator.addFault(spec);
}

async function reported(options?: { samples_max: number }): Promise<unknown[]> {
  running.simulator.reportErrors(options);
  const { data } = await stripe.v2.core.events.list({ types: [reportType] });
  return Promise.all(
    data.map(async ({ id }) => {
      const event = await stripe.v2.core.events.retrieve(id);
      return event.type === reportType ? event.data.reason : event.type;
    }),
  );
}

async function control(path: string, body: object): Promise<unknown> {
  const init = { method: "POST", body: JSON.stringify(body) };
  return (await fetch(`${running.url}/_simulator/${path}`, init)).json();
}
