import type { LatencySpec } from "./fault.ts";

/** How long a delay lasts, in milliseconds. */
export function latencyMs(spec: LatencySpec, random: () => number): number {
  switch (spec.distribution) {
    case "fixed":
      return spec.ms;
    case "uniform":
      return spec.min_ms + random() * (spec.ms - spec.min_ms);
    case "exponential":
      return -Math.log(1 - random()) * spec.ms;
  }
}

/** Waits in real time; the simulator's own clock plays no part. Doesn't keep the process alive. */
export function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
