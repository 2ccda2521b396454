import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { findFreePort } from "../../../src/testing/net/free-port.ts";
import { childEnvironment } from "../../process/child-environment.ts";
import type { Site } from "./site.ts";

const startTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;
const pollMs = 25;
const tailBytes = 8_192;

export type ServerProcess = { pid: number; port: number; url: string; stop: () => Promise<void> };

export type ServerOptions = {
  /** Its script below the project's folder, run by Node; or else a program found in PATH. */
  script?: string;
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
    options.script === undefined ? [] : [fileURLToPath(new URL(`../../../${name}`, import.meta.url))];
  const child = spawn(options.script === undefined ? name : process.execPath, [...script, ...args], {
    env: childEnvironment(process.env, options.env?.(port) ?? {}),
    detached: process.platform !== "win32",
    stdio: ["ignore", "pipe", "pipe"],
  });
  const tail = keepTail(child);
  const ended = once(child, "close");
  let isStopping = false;
  const stop = async () => {
    isStopping = true;
    await stopChild(child, ended);
  };
  site.teardown.add(stop);
  if (child.pid !== undefined) site.guard.watch(child.pid);
  const death = ended.then(() => {
    const error = new Error(`${name} ended by itself:\n${tail()}`);
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

function keepTail(child: ChildProcess): () => string {
  let tail = Buffer.alloc(0);
  for (const output of [child.stdout, child.stderr]) {
    output?.on("data", (chunk: Buffer) => {
      tail = Buffer.concat([tail, chunk]).subarray(-tailBytes);
    });
  }
  return () => tail.toString("utf8");
}

async function stopChild(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
  await ended;
  clearTimeout(timer);
}
