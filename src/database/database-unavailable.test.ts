import pg from "pg";
import { expect, test } from "vitest";
import { isDatabaseAway, isDatabaseUnavailable, isNodeAway } from "./database-unavailable.ts";

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
  "25P03",
  "25P04",
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

test("a Unix socket that is not there means that the server is stopped", () => {
  const noSocket = Object.assign(withCode("ENOENT"), { syscall: "connect" });
  expect(isDatabaseUnavailable(noSocket)).toBe(true);
  expect(isDatabaseAway(new Error("wrapped", { cause: noSocket }))).toBe(true);
  expect(isDatabaseUnavailable(Object.assign(withCode("ENOENT"), { syscall: "open" }))).toBe(false);
});

test.for([withCode("23505"), new TypeError("x is undefined"), "ECONNREFUSED", undefined])(
  "another error does not: %s",
  (error) => {
    expect(isDatabaseUnavailable(error)).toBe(false);
  },
);

const ofServer = (code: string, where?: string) =>
  Object.assign(new pg.DatabaseError("failed", 1, "error"), { code, where });

test("the server says that a node of its cluster is away, not that it shuts down itself or cannot be reached", () => {
  const away = [ofServer("08006"), ofServer("57P01", "while executing command on 10.0.0.2:5432")];
  for (const error of [...away, new Error("wrapped", { cause: away[0] }), new AggregateError(away)])
    expect(isNodeAway(error)).toBe(true);
  const others = [ofServer("57P01"), ofServer("23505", "while executing command on 10.0.0.2:5432")];
  for (const error of [
    ...others,
    withCode("ECONNREFUSED"),
    new AggregateError([...away, ...others]),
    "08006",
  ])
    expect(isNodeAway(error)).toBe(false);
});

test.for([
  ["failure on connection marked as essential: worker-1:5432"],
  ["failed to prepare transaction 'citus_0_71_2_0' on host worker-1:5432"],
  ["could not commit transaction for shard 102044 on at least one active node"],
  ["server closed the connection unexpectedly", "while executing command on worker-1:5432"],
  ["connection not open", "while executing command on worker-1:5432"],
] as const)("a cluster's transaction that lost its node has no code of its own: %j", ([message, where]) => {
  const lost = Object.assign(new pg.DatabaseError(message, 1, "error"), { code: "XX000", where });
  expect(isNodeAway(lost)).toBe(true);
  expect(isDatabaseAway(new Error("wrapped", { cause: lost }))).toBe(true);
});

test("another internal error, of the coordinator or of a node, is none that passes", () => {
  for (const where of [undefined, "while executing command on worker-1:5432"]) {
    const fault = Object.assign(new pg.DatabaseError("tuple concurrently updated", 1, "error"), {
      code: "XX000",
      where,
    });
    expect(isNodeAway(fault)).toBe(false);
    expect(isDatabaseUnavailable(fault)).toBe(false);
  }
});

test("a coordinator that was killed itself is away, and none of its nodes", () => {
  const message = "postmaster was shut down, exiting";
  const killed = Object.assign(new pg.DatabaseError(message, 1, "error"), { code: "XX000" });
  expect(isNodeAway(killed)).toBe(false);
  expect(isDatabaseAway(killed)).toBe(true);
});
