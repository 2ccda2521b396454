import { expect, test } from "vitest";
import { createOpenShipments } from "./open-shipments.ts";

const meter = "temperature_readings";
const job = { id: "shipment-1", retryCount: 0 };
const eventOf = (organizationId: string, meterEventId = `event of ${organizationId}`) => ({
  key: { organizationId, meterEventId },
});

function create() {
  let now = 0;
  const open = createOpenShipments(() => now);
  const draw = (room = 10, oneOfEach = true) =>
    open.draw(meter, { room, oneOfEach }).map(({ key }) => key.meterEventId);
  return { open, draw, pass: (ms: number) => void (now += ms) };
}

test("events are drawn in their order, as many as there is room for", () => {
  const { open, draw } = create();
  open.add(meter, job, [eventOf("a"), eventOf("b"), eventOf("c")]);

  expect(draw(2)).toEqual(["event of a", "event of b"]);
  expect(open.waiting(meter)).toBe(1);
  expect(draw(2)).toEqual(["event of c"]);
  expect(draw(2)).toEqual([]);
});

test("the events of one meter are not drawn for another", () => {
  const { open, draw } = create();
  open.add("active_sensors", job, [eventOf("a")]);

  expect(draw()).toEqual([]);
  expect(open.waiting("active_sensors")).toBe(1);
});

test("of a customer's events one is under way, and the next when it has ended", () => {
  const { open, draw } = create();
  open.add(meter, job, [eventOf("a", "1"), eventOf("b", "2")]);
  open.add(meter, { id: "shipment-2", retryCount: 0 }, [eventOf("a", "3"), eventOf("b", "4")]);

  expect(draw()).toEqual(["1", "2"]);
  open.end(["2"]);
  expect(draw()).toEqual(["4"]);
  open.end(["1"]);
  expect(draw()).toEqual(["3"]);
});

test("of a customer's events many are under way where their order does not matter", () => {
  const { open, draw } = create();
  open.add(meter, job, [eventOf("a", "1"), eventOf("a", "2")]);

  expect(draw(10, false)).toEqual(["1", "2"]);
});

test("a shipment ends with the last of its events, once", () => {
  const { open, draw } = create();
  open.add(meter, job, [eventOf("a", "1"), eventOf("b", "2"), eventOf("c", "3")]);
  draw(2);

  expect(open.jobs()).toEqual(["shipment-1"]);
  expect(open.end(["1", "2"])).toEqual([]);
  draw();
  expect(open.end(["3"])).toMatchObject([{ meter, job }]);
  expect(open.end(["1", "2", "3"])).toEqual([]);
  // Until its job is deleted, its events are not another worker's.
  expect(open.jobs()).toEqual(["shipment-1"]);
  open.forget([{ meter, job }]);
  expect(open.jobs()).toEqual([]);
});

test("what is put back waits so long, and its customer is free meanwhile", () => {
  const { open, draw, pass } = create();
  open.add(meter, job, [eventOf("a", "1"), eventOf("a", "2")]);
  open.putBack(open.draw(meter, { room: 1, oneOfEach: true }), 100);

  expect(draw()).toEqual(["2"]);
  open.end(["2"]);
  expect(draw()).toEqual([]);
  pass(100);
  expect(draw()).toEqual(["1"]);
});

test("what has not begun for too long is taken out, and what is under way is not", () => {
  const { open, draw, pass } = create();
  open.add(meter, job, [eventOf("a", "1"), eventOf("b", "2")]);
  draw(1);
  pass(3_001);
  open.add(meter, { id: "shipment-2", retryCount: 0 }, [eventOf("c", "3")]);

  expect(open.drawLate(meter, 3_000).map(({ key }) => key.meterEventId)).toEqual(["2"]);
  expect(draw()).toEqual(["3"]);
  expect(open.end(["1", "2"])).toMatchObject([{ job }]);
});

test("a shipment that came back while its events are still here holds up no customer afterwards", () => {
  const { open, draw } = create();
  open.add(meter, job, [eventOf("a", "1")]);
  draw();
  open.add(meter, { id: "shipment-1", retryCount: 1 }, [eventOf("a", "1")]);
  open.drawShipment(meter, "shipment-1");

  expect(open.end(["1"])).toHaveLength(2);
  open.add(meter, { id: "shipment-2", retryCount: 0 }, [eventOf("a", "2")]);
  expect(draw()).toEqual(["2"]);
});
