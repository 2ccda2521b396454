import pg from "pg";
import { expect, test } from "vitest";
import { isRefusedOnNode, wasNodeNotAsked } from "./refused-on-node.ts";

const node = "PL/pgSQL function metering.store_readings line 19\nwhile executing command on 10.0.0.7:5432";

function errorOf(code: string | undefined, where?: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError("it failed", 1, "error"), { code, where });
}

test.for([
  ["a fault of the rows", errorOf("23514", node)],
  ["a fault of the rows, where the coordinator ran the function itself", errorOf("23514")],
  ["a right that the role lacks", errorOf("42501")],
  ["a sensor that came into use", errorOf("MO001", node)],
  ["a node's disk that is full", errorOf("53100", node)],
  ["a wait that the node gave up", errorOf("57014", node)],
  ["a deadlock that the node ended", errorOf("40P01", node)],
] as const)("nothing is stored after %s", ([, error]) => {
  expect(isRefusedOnNode(error)).toBe(true);
});

test.for([
  ["a wait that the coordinator gave up", errorOf("57014")],
  ["a deadlock that the coordinator ended", errorOf("40P01", "while waiting for a node")],
  ["a coordinator without memory", errorOf("53200")],
  ["a connection to the node that broke", errorOf("08006")],
  ["a node that shut down", errorOf("57P01", node)],
  ["a node that crashed, whose answer has no code of its own", errorOf("XX000", node)],
  ["an error without a code", errorOf(undefined, node)],
  ["a connection to the coordinator that broke", new Error("Connection terminated unexpectedly")],
] as const)("after %s the readings may be stored", ([, error]) => {
  expect(isRefusedOnNode(error)).toBe(false);
});

test("the node was not asked where the coordinator ran the function itself, and may have been while a server starts", () => {
  const raised = "PL/pgSQL function metering.hold_shards(uuid[]) line 22 at RAISE";
  expect(wasNodeNotAsked(errorOf("57P03", raised))).toBe(true);
  expect(wasNodeNotAsked(errorOf("57P03", node))).toBe(false);
  expect(wasNodeNotAsked(errorOf("57P03"))).toBe(false);
});
