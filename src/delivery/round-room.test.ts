import { expect, test } from "vitest";
import { roundRoom } from "./round-room.ts";

const rooms = Array.from({ length: 1_000 }, (_, n) => n + 1);

test("a room is rounded down to a whole number, and by less than a ninth", () => {
  const lost = rooms.map((room) => (room - roundRoom(room)) / room);

  expect(Math.max(...lost)).toBeLessThan(1 / 9);
  expect(Math.min(...lost)).toBe(0);
  expect(rooms.filter((room) => !Number.isInteger(roundRoom(room)))).toEqual([]);
});

test("a thousand rooms have few sizes", () => {
  expect(new Set(rooms.map(roundRoom)).size).toBeLessThanOrEqual(64);
});

test.each([
  [-1, 0],
  [0, 0],
  [0.5, 0],
  [1.9, 1],
  [7.9, 7],
  [17, 16],
  [17.9, 16],
  [199, 192],
  [200, 192],
])("a room of %d takes %i", (room, taken) => {
  expect(roundRoom(room)).toBe(taken);
});
