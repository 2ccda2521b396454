import { startBuiltProgram } from "./programs.ts";
import { until } from "./until.ts";

export type Service = "api" | "worker" | "migrate" | "simulator" | "cli";

export type ServiceProcess = {
  /** Where it listens; throws before `started`. */
  url: () => string;
  /** Resolves when it says that it started; throws with its output if it ends or stays silent instead. */
  started: () => Promise<void>;
  /** Sends a signal and resolves with the exit code when the process has ended by itself. */
  stop: (signal?: NodeJS.Signals) => Promise<number | null>;
  /** Resolves with the exit code when the process ends; null when a signal ended it. */
  ended: () => Promise<number | null>;
  /** All of its output so far, stdout and stderr. */
  output: () => string;
  /** Ends it at once if it still runs. */
  kill: () => Promise<void>;
};

const startWithinMs = 30_000;
const endWithinMs = 30_000;

/**
 * Starts a program of the run's build as a process of its own with this environment and no other variable but Node's
 * cache. The caller kills it; prefer `serviceTest`, which always does.
 */
export function startService(
  service: Service,
  environment: Record<string, string>,
  args: readonly string[] = [],
): ServiceProcess {
  const child = startBuiltProgram(service, environment, args);
  const { output } = child;
  const startLine = () => output().match(new RegExp(`.*"${service}_started".*`))?.[0];

  async function ended(): Promise<number | null> {
    await Promise.race([
      child.ended,
      until(child.hasEnded, { what: `${service} to end`, withinMs: endWithinMs }),
    ]);
    return (await child.ended).exitCode;
  }

  return {
    url: () => {
      const port = startLine()
        ?.match(/"port":(\d+)|"url":"[^"]*:(\d+)"/)
        ?.slice(1)
        .find(Boolean);
      if (port === undefined) throw new Error(`the ${service} listens on no port`);
      return `http://127.0.0.1:${port}`;
    },
    started: async () => {
      await until(() => startLine() !== undefined || child.hasEnded(), {
        what: `the ${service} to start`,
        withinMs: startWithinMs,
        standing: output,
      });
      if (child.hasEnded()) throw new Error(`the ${service} ended: ${output()}`);
    },
    stop: (signal = "SIGTERM") => {
      child.signal(signal);
      return ended();
    },
    ended,
    output,
    kill: async () => {
      if (child.hasEnded()) return;
      child.signal("SIGKILL");
      await child.ended;
    },
  };
}
