/** The server is read-only (a standby, or a writer that became one), is going away, or has lost this connection. */
const endingCodes = /^(?:25006|57P0[1-5]|08\w{3})$/;

/**
 * Whether a connection on which this was said is of no use any more: after a switchover a healthy connection leads to
 * the server that may only be read, and only a new one finds the way to the other.
 */
export function endsConnection(error: unknown): boolean {
  return codeOf(error) !== undefined && endingCodes.test(codeOf(error) ?? "");
}

/** Whether the server says of itself that it may only be read; then it says so to every connection. */
export function isReadOnlyServer(error: unknown): boolean {
  return codeOf(error) === "25006";
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
