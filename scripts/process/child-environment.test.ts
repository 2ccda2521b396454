import { expect, test } from "vitest";
import { childEnvironment } from "./child-environment.ts";

test("a child gets its own variables and what any process needs", () => {
  expect(childEnvironment({ PATH: "/bin" }, { PORT: "0" })).toEqual({ PATH: "/bin", PORT: "0" });
});

test("what configures meter-outbox or pg in the terminal does not reach a child", () => {
  const ambient = {
    DATABASE_URL: "postgres://elsewhere",
    PORT: "80",
    TEST_POSTGRES: "container",
    PGHOST: "db",
  };
  expect(childEnvironment(ambient, {})).toEqual({});
});
