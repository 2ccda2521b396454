import type { Settings } from "../settings.ts";
import type { Count } from "./ledger.ts";

/** The fractional parts of its multiples are spread evenly over 0 to 1, so neighbouring events differ much. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

type Lag = Pick<Settings, "summary_delay_seconds" | "summary_delay_max_seconds">;

/**
 * Tells which usage the sums show at a moment. "Eventually consistent" is certain; how long it takes and whether sums
 * are partial meanwhile is not stated, so each event gets a lag of its own between the two settings.
 */
export function visibleAt(nowMs: number, { summary_delay_seconds, summary_delay_max_seconds }: Lag) {
  const spreadSeconds = Math.max(0, summary_delay_max_seconds - summary_delay_seconds);
  return ({ receivedAtMs, sequence }: Count): boolean => {
    const lagSeconds = summary_delay_seconds + spreadSeconds * ((sequence * goldenRatio) % 1);
    return receivedAtMs + lagSeconds * 1000 <= nowMs;
  };
}
