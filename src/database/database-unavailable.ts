import pg from "pg";
import { keptFromOpening } from "./connection.ts";

const networkCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
]);
// A standby during a failover, a server that is too slow, a lock that another session holds, or a disk that fails.
const serverCodes = new Set(["25006", "57014", "55P03", "40P01", "40001", "58030"]);
// Of these, a lock that another session holds, a deadlock and a conflict.
const lockCodes = new Set(["55P03", "40P01", "40001"]);
// The server cannot be reached, has no disk, memory or connections left, was shut down or crashed, or is starting; or it ended
// this connection, whose transaction idled or took longer than it lets one.
const serverClasses = /^(?:08\w{3}|25P0[34]|53\w{3}|57P0[1-5])$/;
// Errors of the driver itself carry no code.
const driverMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/;

/** Whether the error means that the database cannot be used now, so that a later try makes sense. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return isAwayNow(error) || keptFromOpening(error) || isDatabaseUnavailable(error.cause);
}

/** The same, and that it passes by itself: not so of a log-in that the server refuses, or of a certificate. */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return isAwayNow(error) || isDatabaseAway(error.cause);
}

function isAwayNow(error: Error): boolean {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (networkCodes.has(code) || serverCodes.has(code) || serverClasses.test(code)) return true;
  if (error instanceof pg.DatabaseError && (tellsOfLostNode(error) || tellsOfItsEnd(error))) return true;
  // A server that is stopped takes its Unix socket away (ENOENT).
  return ("syscall" in error && error.syscall === "connect") || driverMessages.test(error.message);
}

/** Whether other work had all connections of the pool for as long as this one waited for one. */
export function isPoolBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.message === "timeout exceeded when trying to connect" || isPoolBusy(error.cause);
}

/** Whether the statement gave way to other transactions: so it was read, whatever became of it. */
export function isHeldByLock(error: unknown): boolean {
  return error instanceof pg.DatabaseError && lockCodes.has(error.code ?? "");
}

/** Whether a server said so itself, and so was reached, whatever it refuses. */
export function isAnswerOfServer(error: unknown): boolean {
  return error instanceof pg.DatabaseError;
}

/** Class 08 tells of connections: a server says so of its own to other servers. */
const lostConnection = /^08/;
/** What Citus adds to an error that a node answered with. */
const ofNode = "while executing command on";
/** What Citus says, as an internal error, of a transaction that lost its connection to a node. */
const lostByTransaction =
  /^(?:failure on connection marked as essential|failed to prepare transaction|could not commit transaction for shard)\b/;
/** What libpq says of a connection that broke. Citus passes it on as an internal error of the node. */
const lostByLibpq =
  /^(?:server closed the connection|connection not open|no connection to the server|could not (?:send|receive) data|SSL connection has been closed|SSL SYSCALL error)/;
const internalError = "XX000";
/** What Citus says, as an internal error, when its own server was killed while it waited for a node. */
const endOfServer = /^postmaster was shut down\b/;

/**
 * Whether the coordinator of a cluster answered, and a node of it is away: what lies elsewhere can be had. Never so of a
 * plain Postgres.
 */
export function isNodeAway(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isNodeAway);
  if (!(error instanceof pg.DatabaseError)) {
    return error instanceof Error && isNodeAway(error.cause);
  }
  const { code = "", where = "" } = error;
  const isByServer = where.includes(ofNode) && serverClasses.test(code);
  return lostConnection.test(code) || isByServer || tellsOfLostNode(error);
}

function tellsOfLostNode({ code, message, where = "" }: pg.DatabaseError): boolean {
  if (code !== internalError) return false;
  return lostByTransaction.test(message) || (where.includes(ofNode) && lostByLibpq.test(message));
}

function tellsOfItsEnd({ code, message }: pg.DatabaseError): boolean {
  return code === internalError && endOfServer.test(message);
}
