import type { Socket } from "node:net";

const lingerMs = 1_000;
/** A client that sends its whole body before it reads the answer may still have this many bytes on their way. */
const lingerBytesMax = 1_048_576;
/** So many clients are read at a time. A thousand refused ones would send a gigabyte at once. */
const readersMax = 16;
/** The turn of a client: so many bytes, or so long without one. */
const turnBytesMax = 262_144;
const turnIdleMs = 20;

type Lingering = { socket: Socket; bytesLeft: number; closing?: NodeJS.Timeout };

// A process has one event loop, so all refused clients stand in one line.
const line: Lingering[] = [];
let readers = 0;

/**
 * Reads and drops the client's further bytes, in turns with all other such clients, for a moment and up to a limit. If
 * the connection were closed at once, the answer could be lost to a reset; without a limit, the client could go on
 * sending for ever. Most clients read the answer and close before their first turn, and send nothing more.
 */
export function lingerOn(socket: Socket): void {
  // Node's parser is done with this connection, and would begin to read again within this turn of the event loop.
  socket.removeAllListeners("data");
  setImmediate(() => {
    socket.pause();
    line.push({ socket, bytesLeft: lingerBytesMax });
    letNextRead();
  });
}

function letNextRead(): void {
  while (readers < readersMax && line.length > 0) {
    const next = line.shift();
    if (next !== undefined && !next.socket.destroyed) readOneTurn(next);
  }
}

function readOneTurn(lingering: Lingering): void {
  const { socket } = lingering;
  const bytesAfter = Math.max(0, lingering.bytesLeft - turnBytesMax);
  // The moment begins with the first turn: before, the client could not send.
  lingering.closing ??= closeAfterMoment(socket);
  readers += 1;

  function drop(piece: Buffer): void {
    lingering.bytesLeft -= piece.byteLength;
    if (lingering.bytesLeft <= bytesAfter) end();
    else idle.refresh();
  }

  function end(): void {
    clearTimeout(idle);
    socket.off("data", drop).off("close", end).pause();
    readers -= 1;
    if (lingering.bytesLeft > 0 && !socket.destroyed) line.push(lingering);
    letNextRead();
  }

  const idle = setTimeout(end, turnIdleMs);
  socket.on("data", drop).once("close", end).resume();
}

function closeAfterMoment(socket: Socket): NodeJS.Timeout {
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
  return timer;
}
