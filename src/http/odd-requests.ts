import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { Socket } from "node:net";
import { bareProblem, endWithProblem } from "./bare-problem.ts";
import { Problem } from "./problem.ts";
import { type AnswersUnderWay, createUnparsableAnswer } from "./unparsable-request.ts";

/**
 * Answers with a problem document the requests that Node keeps from the application: it would close their connection
 * without a word.
 */
export function answerOddRequests(server: Server, answersUnderWay: AnswersUnderWay): void {
  server.on("clientError", createUnparsableAnswer(answersUnderWay));
  server.on("checkExpectation", (_incoming, outgoing) => {
    const { status, headers, body } = bareProblem(unmetExpectation());
    outgoing.writeHead(status, headers).end(body);
  });
  server.on("connect", (_incoming, socket: Duplex) => {
    // A client that goes away meanwhile needs no answer.
    socket.on("error", () => socket.destroy());
    if (socket instanceof Socket) endWithProblem(socket, noTunnel());
    else socket.destroy();
  });
}

/**
 * Serves a client that waits for `100 Continue` before it sends its body. It is told to go on when the body is read:
 * with a wrong key, never.
 */
export function letClientsWait(server: Server, serve: RequestListener): void {
  server.on("checkContinue", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const read = incoming.read.bind(incoming);
    incoming.read = (size) => {
      incoming.read = read;
      if (!outgoing.headersSent) outgoing.writeContinue();
      return read(size) as unknown;
    };
    serve(incoming, outgoing);
  });
}

function unmetExpectation(): Problem {
  const detail = "Expect may be 100-continue or absent.";
  return new Problem({ status: 417, code: "expectation_failed", detail });
}

function noTunnel(): Problem {
  const detail = "This is no proxy: it opens no tunnels.";
  return new Problem({ status: 405, code: "method_not_allowed", detail });
}
