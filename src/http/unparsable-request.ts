import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Problem, problemBody } from "./problem.ts";

const lingerMs = 1_000;

/**
 * Answers what Node could not parse as a request, or gave up waiting for, in the same form as every other failure, and
 * closes the connection.
 */
export function answerUnparsableRequest(error: Error, socket: Duplex): void {
  // On a connection that has answered before, an answer may be under way, and ours would land in its middle.
  if (!(socket instanceof Socket) || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const problem = problemOf(error);
  const requestId = randomUUID();
  const body = JSON.stringify(problemBody(problem, requestId));
  const { status } = problem.fields;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  // Closed at once, the answer could be lost to a reset; left to the client, it could go on dribbling for ever.
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
}

function problemOf(error: Error): Problem {
  const code = "code" in error ? error.code : undefined;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    const detail = "The request did not arrive in time.";
    return new Problem({ status: 408, code: "request_timeout", detail });
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    return new Problem({ status: 431, code: "headers_too_large", detail: "The headers are too large." });
  }
  return new Problem({ status: 400, code: "malformed_request", detail: "This is not a valid HTTP request." });
}
