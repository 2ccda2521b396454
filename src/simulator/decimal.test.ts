import { expect, test } from "vitest";
import { addDecimals, formatDecimal, parseDecimal } from "./decimal.ts";

test.each([
  ["0.1", "0.2", "0.3"],
  ["5", "-5", "0"],
  ["-0.5", "0.25", "-0.25"],
  ["999999999999999", "1", "1000000000000000"],
  [".5", "1", "1.5"],
  ["-.05", "0", "-0.05"],
  ["0.000000000000000000001", "1", "1.000000000000000000001"],
])("%s and %s make exactly %s", (a, b, sum) => {
  expect(formatDecimal(addDecimals(parseDecimal(a), parseDecimal(b)))).toBe(sum);
});
