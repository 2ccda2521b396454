import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { type Problem, problemBody } from "./problem.ts";

const lingerMs = 1_000;
/** A client that sends its whole body before it reads the answer may still have this many bytes on their way. */
const lingerBytesMax = 1_048_576;

type BareProblem = { status: number; headers: Record<string, string>; body: string };

/** The answer to input that never became a request of the application, in the same form as every other failure. */
export function bareProblem(problem: Problem): BareProblem {
  const requestId = randomUUID();
  const body = JSON.stringify(problemBody(problem, requestId));
  const headers = {
    ...problem.fields.headers,
    "Content-Type": "application/problem+json",
    "Content-Length": String(Buffer.byteLength(body)),
    "Cache-Control": "no-store",
    "X-Request-Id": requestId,
    Connection: "close",
  };
  return { status: problem.fields.status, headers, body };
}

/** Writes the answer to a connection that no parser reads any more, and closes it. */
export function endWithProblem(socket: Socket, problem: Problem): void {
  const { status, headers, body } = bareProblem(problem);
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end(`${[`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...head].join("\r\n")}\r\n\r\n${body}`);
  lingerOn(socket);
}

/**
 * Reads and drops the client's further bytes, for a moment and up to a limit. If the connection were closed at once,
 * the answer could be lost to a reset; without a limit, the client could go on sending for ever.
 */
export function lingerOn(socket: Socket): void {
  const readBefore = socket.bytesRead;
  socket.on("data", () => {
    if (socket.bytesRead - readBefore > lingerBytesMax) socket.pause();
  });
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
}
