import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { findFreePort } from "../../../src/testing/net/free-port.ts";
import { describeDeath, startChild } from "../../../src/testing/processes/child-process.ts";
import { childEnvironment } from "../../process/child-environment.ts";
import type { Site } from "./site.ts";

const startTimeoutMs = 60_000;
const pollMs = 25;

export type ServerProcess = { pid: number; port: number; url: string; stop: () => Promise<void> };

export type ServerOptions = {
  /** Its script below the project's folder, run by Node; or else a program found in PATH. */
  script?: string;
  /** Node's own flags, for a script. */
  flags?: readonly string[];
  program?: string;
  /** Its arguments, once it is known where it is to listen. */
  args?: (port: number) => string[];
  env?: (port: number) => Record<string, string>;
};

/**
 * Starts a server in a process of its own, and waits until it accepts connections. Its output is read and dropped
 * except for the end, which is shown when it dies.
 */
export async function startServerProcess(site: Site, options: ServerOptions): Promise<ServerProcess> {
  const port = await findFreePort();
  const name = options.script ?? options.program ?? "";
  const args = options.args?.(port) ?? [];
  const script =
    options.script === undefined
      ? []
      : [...(options.flags ?? []), fileURLToPath(new URL(`../../../${name}`, import.meta.url))];
  const child = startChild({
    name,
    ...(options.program !== undefined && { program: options.program }),
    args: [...script, ...args],
    env: childEnvironment(process.env, options.env?.(port) ?? {}),
    guard: site.guard,
  });
  let isStopping = false;
  const stop = () => {
    isStopping = true;
    return child.stop();
  };
  site.teardown.add(stop);
  const death = child.ended.then((ending) => {
    const error = new Error(describeDeath(child, ending));
    if (!isStopping) process.stderr.write(`${error.message}\n`);
    return error;
  });
  await Promise.race([untilListening(port, site.signal), death.then((error) => Promise.reject(error))]);
  return { pid: child.pid ?? 0, port, url: `http://127.0.0.1:${port}`, stop };
}

async function untilListening(port: number, signal: AbortSignal): Promise<void> {
  const endsAtMs = performance.now() + startTimeoutMs;
  while (!(await accepts(port))) {
    signal.throwIfAborted();
    if (performance.now() > endsAtMs) throw new Error(`nothing listens on port ${port}`);
    await sleep(pollMs);
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
