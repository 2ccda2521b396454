import { systemClock } from "pg-boss";

/**
 * The clock that pg-boss measures its waits by: it begins at this machine's time and is never set. By a clock that is set
 * back, pg-boss waits for its next look at crons, leases and queues until that clock shows the old time again.
 */
export const steadyClock = {
  ...systemClock,
  now: () => performance.timeOrigin + performance.now(),
};
