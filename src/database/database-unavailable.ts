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
// A standby in the middle of a failover, too slow to answer, busy with somebody who holds the lock, or a disk that fails.
const serverCodes = new Set(["25006", "57014", "55P03", "40P01", "40001", "58030"]);
// The way to the server; no disk, memory or connections left; shut down by the administrator, crashed, starting up.
const serverClasses = /^(?:08\w{3}|53\w{3}|57P0[1-5])$/;
// The driver's own errors carry no code.
const driverMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/;

/** Whether the error means that the database cannot be reached at the moment, so that trying again later makes sense. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (networkCodes.has(code) || serverCodes.has(code) || serverClasses.test(code)) return true;
  return driverMessages.test(error.message) || isDatabaseUnavailable(error.cause);
}
