import { expect, test } from "vitest";
import { readRunningServers } from "./run-replay.ts";

const env = {
  API_URL: "http://api:3000/",
  ADMIN_TOKEN: "operator-token",
  DATABASE_URL: "postgres://service:hunter2@postgres:5432/metering",
  STRIPE_API_BASE: "http://simulator:12111",
};

test("running servers are found by their addresses, and billed by a simulator", () => {
  expect(readRunningServers(env)).toMatchObject({
    kind: "known",
    servers: {
      apiUrl: "http://api:3000",
      stripe: { kind: "simulator", apiBase: "http://simulator:12111" },
    },
  });
});

test("what is missing is named, and no value is shown", () => {
  const { ADMIN_TOKEN: _, ...rest } = env;
  const read = readRunningServers({ ...rest, API_URL: "hunter2" });
  expect(read).toEqual({
    kind: "unknown",
    faults: [expect.stringContaining("API_URL: "), expect.stringContaining("ADMIN_TOKEN: ")],
  });
  expect(JSON.stringify(read)).not.toContain("hunter2");
});
