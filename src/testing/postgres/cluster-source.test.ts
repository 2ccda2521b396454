import { describe, expect, test } from "vitest";
import type { CitusCluster } from "./citus-cluster.ts";
import { citusImage, startClusterSource } from "./cluster-source.ts";

const coordinator = { url: "postgres://localhost/any", host: "localhost", port: 5_432 };
const cluster: CitusCluster = { coordinator, workers: [], stop: async () => {} };

/** Ways to a cluster that all work, but for those that a test changes; `said` and `asked` are what was done. */
function waysBut(changes: Partial<Parameters<typeof startClusterSource>[2]> = {}) {
  const asked: string[] = [];
  const said: string[] = [];
  const ways = {
    isEngineAnswering: async () => true,
    startContainers: async (image: string) => {
      asked.push(image);
      return cluster;
    },
    startOnMachine: async () => cluster,
    readCluster: async (url: string) => {
      asked.push(url);
      return cluster;
    },
    ...changes,
  };
  return { asked, said, ways, write: (line: string) => void said.push(line) };
}

describe("the tests' cluster", () => {
  test("is that of TEST_DATABASE_URL if it is set", async () => {
    const { asked, ways, write } = waysBut();

    const source = await startClusterSource({ TEST_DATABASE_URL: coordinator.url }, write, ways);

    expect(source.source).toBe("url");
    expect(asked).toEqual([coordinator.url]);
  });

  test("is else of containers of the official image, or of another, where an engine answers", async () => {
    const { asked, ways, write } = waysBut();

    await startClusterSource({}, write, ways);
    const source = await startClusterSource({ TEST_POSTGRES_IMAGE: "our/citus" }, write, ways);

    expect(source.source).toBe("container");
    expect(asked).toEqual([citusImage, "our/citus"]);
  });

  test("is else the machine's own Postgres, where an engine cannot have the image", async () => {
    const { said, ways, write } = waysBut({
      startContainers: async () => {
        throw new Error("manifest unknown");
      },
    });

    const source = await startClusterSource({}, write, ways);

    expect(source.source).toBe("machine");
    expect(said[0]).toContain("manifest unknown");
  });

  test("does not fall back where a container is forced", async () => {
    const { ways, write } = waysBut({
      startContainers: async () => {
        throw new Error("manifest unknown");
      },
    });

    await expect(startClusterSource({ TEST_POSTGRES: "container" }, write, ways)).rejects.toThrow("manifest");
  });

  test("is refused, and the refusal says why, where none can be had", async () => {
    const { ways, write } = waysBut({
      isEngineAnswering: async () => false,
      startOnMachine: async () => undefined,
    });

    await expect(startClusterSource({}, write, ways)).rejects.toThrow("no cluster can be had here");
  });
});
