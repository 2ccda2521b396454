const parentCheckMs = 500;
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export type StopSignal = (typeof signals)[number];

/** A signal asked the demo to end; this is no failure. */
export class StopRequest extends Error {
  readonly signal: StopSignal;

  constructor(signal: StopSignal) {
    super(`stopped by ${signal}`);
    this.signal = signal;
  }
}

/**
 * Calls back once when this process is asked to end; a second signal ends it at once. npm passes a signal on to its
 * shell only, which dies without a word to us: then our parent changes, and that counts as SIGTERM.
 */
export function onStopRequest(stop: (request: StopRequest) => void): void {
  let isStopping = false;
  const request = (signal: StopSignal) => {
    if (isStopping) return;
    isStopping = true;
    stop(new StopRequest(signal));
  };
  for (const signal of signals) {
    process.on(signal, () => {
      if (isStopping) process.exit(1);
      request(signal);
    });
  }
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) request("SIGTERM");
  }, parentCheckMs).unref();
}

/** Waits until the signal is aborted; rejects with its reason. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
