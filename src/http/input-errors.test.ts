import { expect, test } from "vitest";
import { z } from "zod";
import { jsonPointer } from "../usage/json-pointer.ts";
import { invalidRequest } from "./input-errors.ts";

const body = z.strictObject({
  name: z.string(),
  sensors: z.array(z.strictObject({ id: z.string().min(1) })).optional(),
});

function refuse(input: unknown, target = "json") {
  const parsed = body.safeParse(input);
  return invalidRequest(target, parsed.error?.issues ?? []).fields;
}

test("a fault of a body is pointed to with a JSON pointer", () => {
  const { errors } = refuse({ name: "x", sensors: [{ id: "a" }, { id: "" }] });
  expect(errors).toEqual([expect.objectContaining({ pointer: "/sensors/1/id", code: "too_small" })]);
});

test("every unknown field is named by its own pointer", () => {
  const { errors } = refuse({ name: "x", colour: 1, sensors: [{ id: "a", size: 2, age: 3 }] });
  const pointers = errors?.map(({ pointer, code }) => `${code} ${pointer}`);
  expect(pointers?.toSorted()).toEqual([
    "unknown_field /colour",
    "unknown_field /sensors/0/age",
    "unknown_field /sensors/0/size",
  ]);
});

test("a field that is not there is missing, one of the wrong type is not", () => {
  expect(refuse({}).errors).toEqual([expect.objectContaining({ pointer: "/name", code: "missing" })]);
  expect(refuse({ name: 1 }).errors?.[0]).toMatchObject({ pointer: "/name", code: "invalid_type" });
});

test("a query parameter is named, not pointed to", () => {
  expect(refuse({ name: 1 }, "query").errors?.[0]?.pointer).toBe("name");
});

test("an answer never repeats the value that was sent", () => {
  const secret = "mo_secret";
  const text = JSON.stringify(refuse({ name: { deep: secret }, sensors: secret }));
  expect(text).not.toContain(secret);
});

test("a path with an id that no row can have is not found", () => {
  const issues = z.object({ id: z.uuid() }).safeParse({ id: "nonsense" }).error?.issues ?? [];
  expect(invalidRequest("param", issues).fields).toMatchObject({ status: 404, code: "not_found" });
});

test("more faults than anybody reads are cut", () => {
  const sensors = Array.from({ length: 5_000 }, () => ({ id: "" }));
  expect(refuse({ name: "x", sensors }).errors).toHaveLength(100);
});

test("a pointer escapes what means something in pointers", () => {
  expect(jsonPointer(["a/b", "c~d", 0])).toBe("/a~1b/c~0d/0");
  expect(jsonPointer([])).toBe("");
});
