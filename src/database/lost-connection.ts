/** The server is going away, or has lost this connection. */
const endingCodes = /^(?:57P0[1-5]|08\w{3})$/;

/** Whether a connection on which this was said is of no use any more. */
export function endsConnection(error: unknown): boolean {
  return codeOf(error) !== undefined && endingCodes.test(codeOf(error) ?? "");
}

/**
 * Whether the server says of itself that it may only be read (a standby, or a writer that became one); then it says so
 * to every connection, and only new ones find the way to another.
 */
export function isReadOnlyServer(error: unknown): boolean {
  return codeOf(error) === "25006";
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
