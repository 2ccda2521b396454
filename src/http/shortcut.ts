import type { IncomingMessage, ServerResponse } from "node:http";
import type { HeldBytes } from "./held-bytes.ts";

/**
 * Answers a request by itself, as the application would, for less; undefined: the application answers it, and nothing
 * was done. Resolves once the answer is written, with the share in which its bytes count. Never rejects.
 */
export type Shortcut = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
) => Promise<HeldBytes> | undefined;
