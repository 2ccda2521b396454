const turnMsMax = 5;

// A process has one event loop, so all callers that wait for a turn of it stand in one line.
const line: (() => void)[] = [];

/** Where work joins the line: behind all other, or before it, because what it has begun lies in memory until it ends. */
type Place = "last" | "first";

/**
 * Makes a function to call between the pieces of long work: it gives the event loop to other work once this one has had
 * it for some milliseconds. Of all such work one piece is done in a turn of the loop, however much there is.
 */
export function createTurns(now = () => performance.now()): (place?: Place) => Promise<void> {
  let sinceMs = now();
  return async (place) => {
    if (now() - sinceMs < turnMsMax) return;
    await nextTurn(place);
    sinceMs = now();
  };
}

/** A turn for work that is long by itself, such as parsing a large body. */
export function nextTurn(place: Place = "last"): Promise<void> {
  return new Promise((resolve) => {
    if (place === "last") line.push(resolve);
    else line.unshift(resolve);
    if (line.length === 1) setImmediate(letOneGo);
  });
}

let latestPage: Promise<void> = Promise.resolve();

/** A turn for a page that people look at. Of all pages that wait one stands in the line, so that bodies wait for one at a time. */
export function nextTurnOfPages(): Promise<void> {
  latestPage = latestPage.then(() => nextTurn());
  return latestPage;
}

function letOneGo(): void {
  line.shift()?.();
  if (line.length > 0) setImmediate(letOneGo);
}
