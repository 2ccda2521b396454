import { expect, test } from "vitest";
import type { BillLine } from "./bill.ts";
import { isOk, renderBill, verdictLine } from "./bill-table.ts";

const line: BillLine = {
  organization: "Alpine Dairy",
  readings: 8_759n,
  sent: 9_639n,
  duplicates: 880n,
  stored: 8_759n,
  entered: 8_759n,
  billed: 8_759n,
  sensors: 12n,
  billedSensors: 12n,
};

test("the bill shows every organization and the total in columns of one width", () => {
  const rows = renderBill([line, { ...line, organization: "Bering Seafood" }]).split("\n");
  expect(new Set(rows.map((row) => row.length)).size).toBe(1);
  expect(rows.at(-1)).toMatch(/^total +19,278 +1,760 +17,518 +17,518 +17,518 +0 +24 +24$/);
});

test("the demo's last line adds up the organizations", () => {
  const outcome = { bill: [line, line, line] };
  expect(verdictLine(outcome)).toBe("demo: ok organizations=3 readings=26277 billed=26277 difference=0");
});

test("bills that err in opposite directions fail, although they add up", () => {
  const bill = [
    { ...line, billed: 8_760n },
    { ...line, billed: 8_758n },
  ];
  expect(verdictLine({ bill })).toBe("demo: failed organizations=2 readings=17518 billed=17518 difference=0");
  expect(isOk({ bill })).toBe(false);
});

test("a bill whose readings are right fails when Stripe has another number of sensors", () => {
  const bill = [line, { ...line, billedSensors: 0n }];
  expect(verdictLine({ bill })).toBe("demo: failed organizations=2 readings=17518 billed=17518 difference=0");
  expect(isOk({ bill })).toBe(false);
});

test("a demo that ended before its bill has failed", () => {
  expect(verdictLine({ organizations: 3, readings: 12 })).toBe(
    "demo: failed organizations=3 readings=12 billed=unknown difference=unknown",
  );
});
