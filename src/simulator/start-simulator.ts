import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { createSimulator, type Simulator, type SimulatorOptions } from "./create-simulator.ts";

export type StartOptions = SimulatorOptions & {
  /** 0, the default, takes any free port. */
  port?: number;
  host?: string;
};

export type RunningSimulator = {
  /** Such as `http://127.0.0.1:12111`, without a slash at the end. */
  url: string;
  host: string;
  port: number;
  simulator: Simulator;
  /** Stops at once: open connections, hanging ones included, are destroyed, and deliveries of webhooks end. */
  stop: () => Promise<void>;
};

/** Starts a simulator on a port; rejects when the port is taken. */
export async function startSimulator(options: StartOptions = {}): Promise<RunningSimulator> {
  const host = options.host ?? "127.0.0.1";
  const simulator = createSimulator(options);
  const listener = getRequestListener((request, env) => simulator.app.fetch(request, env));
  const server = createServer((incoming, outgoing) => {
    void listener(incoming, outgoing);
  });
  const port = await listen(server, { port: options.port ?? 0, host });
  return { url: `http://${host}:${port}`, host, port, simulator, stop: () => stop(server, simulator) };
}

function listen(server: Server, at: { port: number; host: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, () => {
      server.off("error", reject);
      const address = server.address();
      // Only a server on a Unix socket has an address that is not an object.
      resolve(typeof address === "object" && address !== null ? address.port : at.port);
    });
  });
}

async function stop(server: Server, simulator: Simulator): Promise<void> {
  await Promise.all([close(server), simulator.close()]);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
