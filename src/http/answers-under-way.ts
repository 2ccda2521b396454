import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { HeldBytes } from "./held-bytes.ts";
import { strangers } from "./hold-bytes.ts";

type Options = {
  held: HeldBytes;
  /** A client that takes nothing of its answer for this long is cut off. */
  unreadTimeoutMs: number;
  /** The usual timeout of a connection. */
  silenceTimeoutMs: number;
};

/**
 * Knows the unfinished answers: which of them wait behind another on the same connection, how many of their bytes wait
 * for their readers (these count as held), and whether the readers still read.
 */
export function createAnswersUnderWay({ held, unreadTimeoutMs, silenceTimeoutMs }: Options) {
  // Of connections, which live long: a map that gained and lost an entry with each request would be copied again and
  // again, and V8 then takes every request for one that is still in use.
  const bySocket = new Map<Socket, ServerResponse[]>();
  const shares = new WeakMap<object, HeldBytes>();

  function begin(answer: ServerResponse): void {
    const { socket } = answer.req;
    if (socket.destroyed) return;
    const answers = bySocket.get(socket) ?? follow(socket);
    answers.push(answer);
    answer.once("close", () => answers.splice(answers.indexOf(answer), 1));
  }

  function follow(socket: Socket): ServerResponse[] {
    const answers: ServerResponse[] = [];
    bySocket.set(socket, answers);
    socket.once("close", () => bySocket.delete(socket));
    return answers;
  }

  /**
   * To be called once all of it is written: the bytes that the client has not taken yet are held until it has, in the
   * share, or else in that of `countIn`.
   */
  function holdUnread(answer: ServerResponse, share?: HeldBytes): void {
    const unread = answer.writableLength;
    if (unread === 0 || answer.closed) return;
    const hold = (share ?? shares.get(answer) ?? held.shareOf(strangers)).begin();
    hold.keep(unread);
    answer.once("close", () => hold.release());
  }

  /**
   * To be called now and then. Node itself notices whether the client takes anything, and cuts the connection when it
   * does not.
   */
  function watchReaders(): void {
    for (const [socket, answers] of bySocket) {
      // Between two requests Node itself sets how long a connection may wait.
      if (answers.length === 0) continue;
      const isUnread = answers.some(({ writableLength }) => writableLength > 0);
      const timeoutMs = isUnread ? unreadTimeoutMs : silenceTimeoutMs;
      if (socket.timeout !== timeoutMs) socket.setTimeout(timeoutMs);
    }
  }

  return {
    begin,
    holdUnread,
    /** In whose share the answer counts, when it is known. */
    countIn: (answer: object, share: HeldBytes) => void shares.set(answer, share),
    watchReaders,
    of: (socket: Socket): readonly ServerResponse[] => bySocket.get(socket) ?? [],
  };
}
