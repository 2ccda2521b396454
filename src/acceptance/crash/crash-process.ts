import { startBuiltProgram } from "../../testing/processes/programs.ts";
import { until } from "../../testing/processes/until.ts";

/** A program of this project as a process of its own, made to be killed. */
export type CrashProcess = {
  /** Waits until it wrote a line with this event; false when it died, or the time was over, before. */
  says: (event: string, withinMs: number) => Promise<boolean>;
  signal: (name: NodeJS.Signals) => void;
  /** Resolves when it is gone; true if SIGKILL ended it. */
  died: () => Promise<boolean>;
  output: () => string;
};

/** Starts a program of the run's build with this environment and no other variable but Node's cache. */
export function startCrashProcess(program: string, environment: Record<string, string>): CrashProcess {
  const child = startBuiltProgram(program, environment);
  const { output } = child;
  return {
    says: async (event, withinMs) => {
      const hasSaid = () => output().includes(`"event":"${event}"`);
      const endsAtMs = performance.now() + withinMs;
      await until(() => hasSaid() || child.hasEnded() || performance.now() > endsAtMs, {
        what: event,
        withinMs: withinMs + 1_000,
      });
      return hasSaid();
    },
    signal: child.signal,
    died: async () => (await child.ended).signal === "SIGKILL",
    output,
  };
}
