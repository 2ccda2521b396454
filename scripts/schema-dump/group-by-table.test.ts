import { expect, test } from "vitest";
import { groupByTable } from "./group-by-table.ts";

const section = (name: string, type: string, statement: string) =>
  `--\n-- Name: ${name}; Type: ${type}; Schema: metering; Owner: -\n--\n\n${statement}\n\n\n`;

const preamble = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET statement_timeout = 0;\n\n";
const ending = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n";

test("what belongs to a table stands behind it, and functions stand last", () => {
  const dump = [
    preamble,
    section("a", "TABLE", "CREATE TABLE metering.a ();"),
    section("b", "TABLE", "SET default_tablespace = '';\n\nCREATE TABLE metering.b ();"),
    section("TABLE a", "COMMENT", "COMMENT ON TABLE metering.a IS 'x';"),
    section("b b_pkey", "CONSTRAINT", "ALTER TABLE ONLY metering.b ADD CONSTRAINT b_pkey;"),
    section("of_a", "INDEX", "CREATE INDEX of_a ON ONLY metering.a USING btree (id);"),
    section("f()", "FUNCTION", "CREATE FUNCTION metering.f();"),
    ending,
  ].join("");
  expect(groupByTable(dump)).toBe(`
-- a

CREATE TABLE metering.a ();

COMMENT ON TABLE metering.a IS 'x';

CREATE INDEX of_a ON ONLY metering.a USING btree (id);

-- b

CREATE TABLE metering.b ();

ALTER TABLE ONLY metering.b ADD CONSTRAINT b_pkey;

-- functions and views

CREATE FUNCTION metering.f();
`);
});

test("an index of a table that is not there is told, not dropped", () => {
  const dump = preamble + section("of_a", "INDEX", "CREATE INDEX of_a ON metering.a USING btree (id);");
  expect(() => groupByTable(dump)).toThrow("INDEX of_a belongs to no table");
});
