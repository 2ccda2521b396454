import { createServer } from "node:net";
import { expect, test } from "vitest";
import { isDockerEngineAnswering } from "./docker-engine.ts";
import { listen } from "../net/listen.ts";

test("an engine that takes the connection and says nothing is given up", async () => {
  const server = createServer();
  const port = await listen(server);
  const startedAt = performance.now();

  const isAnswering = await isDockerEngineAnswering({ DOCKER_HOST: `tcp://127.0.0.1:${port}` });

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
