import { existsSync } from "node:fs";
import { request, type RequestOptions } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Record<string, string | undefined>;

const pingTimeoutMs = 800;

/** Whether a Docker engine answers where testcontainers would look for one. Takes less than a second. */
export async function isDockerEngineAnswering(env: Environment): Promise<boolean> {
  const address = dockerAddress(env);
  return address !== undefined && (await isPingAnswered(address));
}

function dockerAddress(env: Environment): RequestOptions | undefined {
  const host = env["DOCKER_HOST"];
  if (host !== undefined && host !== "") return addressOf(host);
  const sockets = [
    "/var/run/docker.sock",
    join(env["XDG_RUNTIME_DIR"] ?? "/nowhere", "docker.sock"),
    join(homedir(), ".docker", "run", "docker.sock"),
    join(homedir(), ".docker", "desktop", "docker.sock"),
  ];
  const socketPath = sockets.find((path) => existsSync(path));
  return socketPath === undefined ? undefined : { socketPath };
}

// An engine behind TLS or SSH is not asked; TEST_POSTGRES=container uses it all the same.
function addressOf(dockerHost: string): RequestOptions | undefined {
  if (!URL.canParse(dockerHost)) return undefined;
  const url = new URL(dockerHost);
  if (url.protocol === "unix:") return { socketPath: url.pathname };
  if (url.protocol !== "tcp:" && url.protocol !== "http:") return undefined;
  return { host: url.hostname, port: url.port };
}

async function isPingAnswered(address: RequestOptions): Promise<boolean> {
  return await new Promise((resolve) => {
    const signal = AbortSignal.timeout(pingTimeoutMs);
    const ping = request({ ...address, path: "/_ping", signal }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    ping.once("error", () => resolve(false));
    ping.end();
  });
}
