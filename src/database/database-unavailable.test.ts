import { expect, test } from "vitest";
import { isDatabaseUnavailable } from "./database-unavailable.ts";

const withCode = (code: string) => Object.assign(new Error("failed"), { code });

test.for([
  "ECONNREFUSED",
  "ECONNRESET",
  "57P01",
  "57P02",
  "57P03",
  "08006",
  "08P01",
  "53000",
  "53100",
  "53200",
  "53300",
  "53400",
  "58030",
  "25006",
  "57014",
  "40P01",
])("an error with the code %s means that the database is unavailable", (code) => {
  expect(isDatabaseUnavailable(withCode(code))).toBe(true);
  expect(isDatabaseUnavailable(new Error("wrapped", { cause: withCode(code) }))).toBe(true);
});

test.for([
  "Connection terminated",
  "Connection terminated unexpectedly",
  "Connection terminated due to connection timeout",
  "timeout exceeded when trying to connect",
])("so does the driver's own error %j", (message) => {
  expect(isDatabaseUnavailable(new Error(message))).toBe(true);
});

test.for([withCode("23505"), new TypeError("x is undefined"), "ECONNREFUSED", undefined])(
  "another error does not: %s",
  (error) => {
    expect(isDatabaseUnavailable(error)).toBe(false);
  },
);
