import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { lingerOn } from "./linger.ts";
import { type Problem, problemBody } from "./problem.ts";

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
