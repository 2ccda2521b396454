import { createServer } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { isDockerEngineAnswering } from "./docker-engine.ts";

test("an engine that takes the connection and says nothing is given up", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no port");
  const startedAt = performance.now();

  const isAnswering = await isDockerEngineAnswering({ DOCKER_HOST: `tcp://127.0.0.1:${address.port}` });

  expect(isAnswering).toBe(false);
  expect(performance.now() - startedAt).toBeLessThan(20_000);
  server.close();
});

test.for(["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "ssh://nobody@127.0.0.1", "nonsense"])(
  "no engine answers at %s",
  async (dockerHost) => {
    expect(await isDockerEngineAnswering({ DOCKER_HOST: dockerHost })).toBe(false);
  },
);
