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
  const bySocket = new Map<Socket, ServerResponse[]>();
  const shares = new WeakMap<object, HeldBytes>();

  function begin(answer: ServerResponse): void {
    const { socket } = answer.req;
    const others = bySocket.get(socket);
    if (others === undefined) bySocket.set(socket, [answer]);
    else others.push(answer);
    answer.once("close", () => end(answer, socket));
  }

  function end(answer: ServerResponse, socket: Socket): void {
    const others = bySocket.get(socket)?.filter((other) => other !== answer) ?? [];
    if (others.length === 0) bySocket.delete(socket);
    else bySocket.set(socket, others);
  }

  /** To be called once all of it is written: the bytes that the client has not taken yet are held until it has. */
  function holdUnread(answer: ServerResponse): void {
    const unread = answer.writableLength;
    if (unread === 0 || answer.closed) return;
    const hold = (shares.get(answer) ?? held.shareOf(strangers)).begin();
    hold.keep(unread);
    answer.once("close", () => hold.release());
  }

  /**
   * To be called now and then. Node itself notices whether the client takes anything, and cuts the connection when it
   * does not.
   */
  function watchReaders(): void {
    for (const [socket, answers] of bySocket) {
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
