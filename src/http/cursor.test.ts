import { expect, test } from "vitest";
import { z } from "zod";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { Problem } from "./problem.ts";

const key = z.tuple([z.string(), z.uuid()]);
const id = "01a1fd63-6bbe-72c7-a170-59c5baa61302";

test("a cursor gives back the key it was made of", () => {
  expect(decodeCursor(encodeCursor(["größe/1", id]), key)).toEqual(["größe/1", id]);
});

test("no cursor is the beginning", () => {
  expect(decodeCursor(undefined, key)).toBeUndefined();
});

test.for([
  "",
  "nonsense",
  "e30",
  encodeCursor(["only one"]),
  encodeCursor(["x", "no uuid"]),
  // Postgres would refuse the statement.
  encodeCursor(["x\0", id]),
  "\0",
])("a cursor that no list has given out is refused: %j", (cursor) => {
  expect(() => decodeCursor(cursor, key)).toThrow(Problem);
});
