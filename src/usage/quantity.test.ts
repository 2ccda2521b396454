import { expect, test } from "vitest";
import { addQuantities, compareQuantities, isQuantity, subtractQuantity } from "./quantity.ts";

test("decimals are added exactly, far past what a number holds", () => {
  expect(addQuantities(["0.1", "0.2"])).toBe("0.3");
  expect(addQuantities(["9007199254740993", "1"])).toBe("9007199254740994");
  expect(addQuantities(["1.5", "-2.000000000001", "-0"])).toBe("-0.500000000001");
  expect(addQuantities(["0.30000000000000004", "7"])).toBe("7.30000000000000004");
  expect(addQuantities([])).toBe("0");
});

test("a difference has its sign, and no digits that say nothing", () => {
  expect(subtractQuantity("10", "10.0")).toBe("0");
  expect(subtractQuantity("3", "12")).toBe("-9");
  expect(subtractQuantity("100.50", "0.25")).toBe("100.25");
});

test("quantities are compared by value, not by text", () => {
  expect([compareQuantities("10", "9"), compareQuantities("1.0", "1"), compareQuantities("-1", "0")]).toEqual(
    [1, 0, -1],
  );
});

test("what is no plain decimal is no quantity", () => {
  for (const text of ["", "1e3", "NaN", "1,5", ".5", "1.", " 1", `0.${"1".repeat(401)}`]) {
    expect(isQuantity(text)).toBe(false);
    expect(() => addQuantities([text])).toThrow("no plain decimal");
  }
});
