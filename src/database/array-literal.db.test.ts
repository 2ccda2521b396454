import { expect } from "vitest";
import { databaseTest as test } from "../testing/postgres/database-fixture.ts";
import { anyArrayLiteral, arrayLiteral } from "./array-literal.ts";

const texts = [
  "",
  "a,b",
  '"quoted"',
  "back\\slash",
  "{brace}",
  "NULL",
  null,
  " space ",
  "line\nfeed",
  "ä€😀",
  "'",
];

test("Postgres reads each text as it was, and no text as NULL", async ({ database }) => {
  const { rows } = await database.pool.query("select $1::text[] as read", [anyArrayLiteral(texts)]);
  expect(rows).toEqual([{ read: texts }]);
});

test("Postgres reads numbers, truth values and words", async ({ database }) => {
  const { rows } = await database.pool.query(
    "select $1::int[] as numbers, $2::boolean[] as truths, $3::text[] as words, $4::int[] as perhaps, $5::text[] as none, $6::boolean[] as maybe",
    [
      arrayLiteral([1, -2]),
      arrayLiteral([true, false]),
      arrayLiteral(["in_doubt"]),
      anyArrayLiteral([200, null]),
      arrayLiteral([]),
      anyArrayLiteral([true, false, null]),
    ],
  );
  expect(rows).toEqual([
    {
      numbers: [1, -2],
      truths: [true, false],
      words: ["in_doubt"],
      perhaps: [200, null],
      none: [],
      maybe: [true, false, null],
    },
  ]);
});
