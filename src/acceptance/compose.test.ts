import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { environments } from "../config.ts";
import { citusImage } from "../testing/postgres/cluster-source.ts";

const compose = await readFile(new URL("../../compose.yaml", import.meta.url), "utf8");

/** Inside the containers compose.yaml itself sets these. */
const settled = ["HOST", "PORT", "WORKER_PORT"];

test.each(["migrate", "api", "worker", "cli"] as const)(
  "compose.yaml gives the %s every variable that it reads, and no other",
  (program) => {
    const read = Object.keys(environments[program].shape).filter((name) => !settled.includes(name));
    expect(variablesOf(program).toSorted()).toEqual(read.toSorted());
  },
);

test("compose.yaml holds no secret: each comes from outside, and is missed when it is needed and not there", () => {
  const values = [...compose.matchAll(/^ +(?:\w*(?:PASSWORD|TOKEN|SECRET|KEY)\w*): (.*)$/gm)];
  expect(values.length).toBeGreaterThan(4);
  expect(
    values.map(([, value]) => value).filter((value) => !/^\$\{\w+:(?:\?[^}]+|-)\}$/.test(value ?? "")),
  ).toEqual([]);
});

test("compose.yaml gives the owner's password to Postgres, migrate and roles only", () => {
  const services = [...compose.matchAll(/^  (\w+):\n(?:    .*\n|\n(?=    ))+/gm)];
  const trusted = services.filter(([block]) => block.includes("POSTGRES_PASSWORD:?"));
  expect(trusted.map(([, name]) => name)).toEqual(["postgres", "migrate", "roles"]);
  expect(urlOf("api")).toContain("//meter_outbox_api:${API_DATABASE_PASSWORD:?");
  expect(urlOf("cli")).toBe(urlOf("api"));
  expect(urlOf("worker")).toContain("//meter_outbox_worker:${WORKER_DATABASE_PASSWORD:?");
});

test("compose.yaml bounds the memory of every service", () => {
  const [, listed = ""] = compose.split("\nservices:\n");
  const services = [...listed.matchAll(/^  (\w+):\n((?:    .*\n|\n(?=    ))+)/gm)];
  expect(services.map(([, name]) => name)).toEqual(
    expect.arrayContaining(["postgres", "api", "worker", "demo"]),
  );
  const unbounded = services.filter(
    ([, , block = ""]) => !/^ {4}mem_limit: (?:\d+|\$\{\w+:-\d+)[mg]/m.test(block),
  );
  expect(unbounded.map(([, name]) => name)).toEqual([]);
});

function urlOf(service: string): string | undefined {
  return new RegExp(`^  ${service}:\\n(?:    .*\\n)*? {6}DATABASE_URL: (.*)$`, "m").exec(compose)?.[1];
}

/** The names below `environment:` of a service. */
function variablesOf(service: string): string[] {
  const [, block = ""] = compose.match(new RegExp(`^  ${service}:\\n((?:    .*\\n)+)`, "m")) ?? [];
  const [, list = ""] = block.match(/^ {4}environment:\n((?: {6}.*\n)+)/m) ?? [];
  return [...list.matchAll(/^ {6}(\w+):/gm)].map(([, name]) => name ?? "");
}

test("compose.citus.yaml holds no secret, names the image of the tests, and tells every program of the cluster", async () => {
  const cluster = await readFile(new URL("../../compose.citus.yaml", import.meta.url), "utf8");

  const values = [...cluster.matchAll(/^ +(?:\w*(?:PASSWORD|TOKEN|SECRET|KEY)\w*): (.*)$/gm)].map(
    ([, value]) => value ?? "",
  );
  expect(values.length).toBeGreaterThan(3);
  expect(values.filter((value) => !/^\$\{\w+:\?[^}]+\}$/.test(value))).toEqual([]);
  expect([...cluster.matchAll(/image: (.*)/g)].map(([, image]) => image)).toEqual(
    Array.from({ length: 2 }, () => `\${CITUS_IMAGE:-${citusImage}}`),
  );
  for (const program of ["migrate", "api", "worker", "cli"]) {
    expect(cluster).toMatch(
      new RegExp(`^  ${program}:\\n(?:    .*\\n)*?    environment: \\{ DATABASE_BACKEND: citus \\}$`, "m"),
    );
  }
});
