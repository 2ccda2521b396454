import type { Socket } from "node:net";

/** To read one takes a tenth of a millisecond when it comes with much of a body. */
const readsPerTurnMax = 50;
/** So many of them are the connections that have waited longest, so that none waits for ever. */
const oldestPerTurn = 10;

/**
 * Makes a listener, behind the HTTP server's own, that lets a new connection be read: at once, or when more come in a turn of the event loop than can
 * be read quickly, in one of the next turns, the newest first. A thousand clients that send a large body each take a
 * quarter of a second to read; those that come after them, a probe among them, are answered meanwhile.
 */
export function createFirstReads(): (socket: Socket) => void {
  let waiting: Socket[] = [];
  let readsLeft = readsPerTurnMax;
  let isTurnPlanned = false;

  function planTurn(): void {
    if (isTurnPlanned) return;
    isTurnPlanned = true;
    setImmediate(letSomeRead);
  }

  function letSomeRead(): void {
    isTurnPlanned = false;
    readsLeft = readsPerTurnMax;
    waiting = waiting.filter(({ destroyed }) => !destroyed);
    const newest = waiting.splice(-(readsPerTurnMax - oldestPerTurn));
    for (const socket of [...newest, ...waiting.splice(0, oldestPerTurn)]) {
      readsLeft -= 1;
      socket.resume();
    }
    if (readsLeft < readsPerTurnMax) planTurn();
  }

  return (socket) => {
    if (socket.destroyed) return;
    planTurn();
    if (readsLeft > 0) return void (readsLeft -= 1);
    waiting.push(socket);
    // After the HTTP server's own listener has planned to begin.
    process.nextTick(() => socket.pause());
  };
}
