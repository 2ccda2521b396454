import { constants } from "node:os";

const stopSignalNames = ["SIGTERM", "SIGINT"] as const;

/** Given to a program while it is loaded, so that it can end well once it has something to finish. */
export type StopSignals = {
  /**
   * From this call on a signal ends nothing by itself: the promise tells its name, and the caller finishes its work. A
   * second signal then ends the process at once, with exit code 1.
   */
  takeOver: () => Promise<string>;
  /**
   * Ends the process with exit code 0 after `ms`, and calls `tell` before, if it has not ended by itself. Until the program is
   * done, the process does not end before: where its last step waits for an answer that never comes, Node would end it with
   * exit code 13 and without a line in the log.
   */
  endAfter: (ms: number, tell: () => void) => void;
};

/**
 * Listens to SIGTERM and SIGINT. Until `takeOver` no work is under way that could be finished, so the process ends at
 * once: a service with 0, as after every stop; a command with 128 and the signal's number, because its work is not
 * done.
 */
export function listenToStopSignals(
  kind: "service" | "command",
): StopSignals & { programIsDone: () => void } {
  let end: NodeJS.Timeout | undefined;
  let onSignal = (name: (typeof stopSignalNames)[number]): void => {
    process.exit(kind === "service" ? 0 : 128 + constants.signals[name]);
  };
  for (const name of stopSignalNames) process.on(name, () => onSignal(name));
  return {
    takeOver: () =>
      new Promise((resolve) => {
        onSignal = (name) => {
          onSignal = () => process.exit(1);
          resolve(name);
        };
      }),
    endAfter(ms, tell) {
      end = setTimeout(() => {
        tell();
        process.exit(0);
      }, ms);
    },
    programIsDone: () => end?.unref(),
  };
}
