/** Words that the server sends when it shuts down or has lost this connection. */
const endingCodes = /^(?:57P0[1-5]|08\w{3})$/;

/** Whether a connection on which the server said this is of no use any more. */
export function endsConnection(error: unknown): boolean {
  return codeOf(error) !== undefined && endingCodes.test(codeOf(error) ?? "");
}

/**
 * Whether the server says that it may only be read: it is a standby, or became one. Then it says so on every open
 * connection, and only new connections find the writer.
 */
export function isReadOnlyServer(error: unknown): boolean {
  return codeOf(error) === "25006";
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
