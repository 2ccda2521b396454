import { expect, test } from "vitest";
import { loadShipments } from "./load-shipments.ts";

const eventsMin = 8;
const slicesOf = (count: number, aheadOf: (n: number) => number = () => 0) =>
  Array.from({ length: count }, (_, n) => ({ n, ahead: aheadOf(n), isBilledElsewhere: false }));

/** How many go with each shipment, and how many alone. */
function sizesOf(loaded: readonly { shipmentId: string | null }[]) {
  const groups = Map.groupBy(loaded, ({ shipmentId }) => shipmentId);
  const alone = groups.get(null)?.length ?? 0;
  groups.delete(null);
  return { shipments: [...groups.values()].map(({ length }) => length), alone };
}

test.for([
  [0, { shipments: [], alone: 0 }],
  [7, { shipments: [], alone: 7 }],
  [8, { shipments: [8], alone: 0 }],
  [50, { shipments: [50], alone: 0 }],
  [57, { shipments: [50], alone: 7 }],
  [58, { shipments: [50, 8], alone: 0 }],
  [120, { shipments: [50, 50, 20], alone: 0 }],
] as const)("%i slices", ([count, sizes]) => {
  expect(sizesOf(loadShipments(slicesOf(count), eventsMin))).toEqual(sizes);
});

test("slices keep their order and what they hold", () => {
  const slices = slicesOf(60, (n) => 60 - n);

  expect(loadShipments(slices, eventsMin)).toMatchObject(slices);
});

test("those with few events ahead of them go together, before those with many", () => {
  const slices = slicesOf(100, (n) => (n % 2 === 0 ? 0 : 1_000));

  const loaded = loadShipments(slices, eventsMin);

  const turns = Map.groupBy(loaded, ({ shipmentId }) => shipmentId);
  expect([...turns.values()].map((some) => new Set(some.map(({ ahead }) => ahead)).size)).toEqual([1, 1]);
});

test("what another path has billed goes with no shipment", () => {
  const slices = slicesOf(20).map((slice) => ({ ...slice, isBilledElsewhere: slice.n < 12 }));

  const loaded = loadShipments(slices, eventsMin);

  expect(
    loaded.filter(({ isBilledElsewhere }) => isBilledElsewhere).map(({ shipmentId }) => shipmentId),
  ).toEqual(Array(12).fill(null));
  expect(sizesOf(loaded)).toEqual({ shipments: [8], alone: 12 });
});

test("nothing is shipped without a bound that it reaches", () => {
  expect(sizesOf(loadShipments(slicesOf(60), Infinity))).toEqual({ shipments: [], alone: 60 });
});
