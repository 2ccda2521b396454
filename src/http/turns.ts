const turnMsMax = 5;

// A process has one event loop, so all callers that wait for a turn of it stand in one line.
const line: (() => void)[] = [];

/**
 * Makes a function to call between the pieces of long work: it gives the event loop to other work once this one has had
 * it for some milliseconds. Of all such work one piece is done in a turn of the loop, however much there is.
 */
export function createTurns(now = () => performance.now()): () => Promise<void> {
  let sinceMs = now();
  return async () => {
    if (now() - sinceMs < turnMsMax) return;
    await nextTurn();
    sinceMs = now();
  };
}

/** A turn for work that is long by itself, such as parsing a large body. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    line.push(resolve);
    if (line.length === 1) setImmediate(letOneGo);
  });
}

function letOneGo(): void {
  line.shift()?.();
  if (line.length > 0) setImmediate(letOneGo);
}
