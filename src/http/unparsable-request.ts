import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { endWithProblem } from "./bare-problem.ts";
import { lingerOn } from "./linger.ts";
import { Problem } from "./problem.ts";

/** The answers of a connection that are not finished, the oldest first. */
export type AnswersUnderWay = (socket: Socket) => readonly ServerResponse[];

/**
 * Makes the listener for input that Node could not parse as a request, or stopped waiting for. It answers in the same
 * form as every other failure, after the complete requests before it; then the connection is closed.
 */
export function createUnparsableAnswer(answersUnderWay: AnswersUnderWay) {
  const refused = new WeakSet<Socket>();

  function answer(error: Error, socket: Socket): void {
    const underWay = answersUnderWay(socket);
    const before = underWay.findLast(({ req }) => req.complete);
    if (before !== undefined) before.once("close", () => answer(error, socket));
    // That answer was the last one: the connection can carry no more.
    else if (!socket.writable) lingerOn(socket);
    // If an answer has begun, ours would stand in the middle of it.
    else if (underWay.some(({ headersSent }) => headersSent)) socket.destroy();
    else endWithProblem(socket, problemOf(error));
  }

  return (error: Error, socket: Duplex): void => {
    if (!(socket instanceof Socket)) {
      socket.destroy();
      return;
    }
    // Everything after a broken request is as broken.
    if (refused.has(socket)) return;
    refused.add(socket);
    answer(error, socket);
  };
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
  return malformedRequest("This is not a valid HTTP request.");
}

/** The 400 for input that cannot be read as a request. */
export function malformedRequest(detail: string): Problem {
  return new Problem({ status: 400, code: "malformed_request", detail });
}
