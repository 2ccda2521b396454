import { describe, expect, test } from "vitest";
import { choosePostgres } from "./postgres-source.ts";

const engine = async () => true;
const noEngine = async () => false;
const mustNotBeAsked = async () => {
  throw new Error("was asked");
};

describe("the tests' Postgres", () => {
  test("is the server at TEST_DATABASE_URL if that is set", async () => {
    const env = { TEST_DATABASE_URL: "postgres://localhost/any" };

    expect(await choosePostgres(env, engine)).toEqual({ source: "url", url: "postgres://localhost/any" });
  });

  test("is else a container if a Docker engine answers", async () => {
    expect(await choosePostgres({}, engine)).toEqual({
      source: "container",
      image: "postgres:18-alpine",
      isForced: false,
    });
  });

  test("is else the embedded one", async () => {
    expect(await choosePostgres({ TEST_DATABASE_URL: "", TEST_POSTGRES: "" }, noEngine)).toEqual({
      source: "embedded",
    });
  });

  test("is a container of TEST_POSTGRES_IMAGE", async () => {
    const choice = await choosePostgres({ TEST_POSTGRES_IMAGE: "postgres:16" }, engine);

    expect(choice).toMatchObject({ source: "container", image: "postgres:16" });
  });

  test.for(["container", "embedded"])("is a forced %s, whatever else there is", async (source) => {
    const env = { TEST_POSTGRES: source, TEST_DATABASE_URL: "postgres://localhost/any" };

    expect(await choosePostgres(env, noEngine)).toMatchObject({ source });
    expect(await choosePostgres(env, engine)).toMatchObject({ source });
  });

  test("is not guessed when TEST_POSTGRES says something else", async () => {
    await expect(choosePostgres({ TEST_POSTGRES: "docker" }, engine)).rejects.toThrow("TEST_POSTGRES");
  });

  test("is not asked of Docker when something else decides", async () => {
    const choice = choosePostgres({ TEST_POSTGRES: "embedded" }, mustNotBeAsked);

    await expect(choice).resolves.toEqual({ source: "embedded" });
  });
});
