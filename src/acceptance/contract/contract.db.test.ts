import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { expect } from "vitest";
import { z } from "zod";
import { environmentFaults, environments } from "../../config.ts";
import { callsOf, contract, quotedIn, rowsOf, sectionOf, statusesIn } from "./read-contract.ts";
import { cliTest } from "../../testing/fixtures/cli-fixture.ts";
import {
  documentSchema,
  type JsonSchema,
  type OpenApiDocument,
  type Operation,
  operationsOf,
} from "../../testing/openapi/document.ts";

const root = new URL("../../../", import.meta.url);
const test = cliTest.extend("document", async ({ api }) =>
  documentSchema.parse((await api.ask("GET", "/openapi.json")).body),
);

const secrets: Record<string, string> = {
  DATABASE_URL: "postgres://service:secret@localhost/metering",
  ADMIN_TOKEN: "operator-token-0123456789abcdefgh",
  STRIPE_WEBHOOK_SECRET: "whsec_test",
  STRIPE_SECRET_KEY: "sk_test_key",
};
const processes = Object.entries(environments);
const promisedVariables = () =>
  rowsOf(sectionOf(contract, "## Environment")).flatMap(([names = "", defaults = "", note = ""]) =>
    quotedIn(names).map((name, index) => ({
      name,
      default: quotedIn(defaults.split(", ")[index] ?? "")[0],
      rule: defaults,
      note,
    })),
  );

test("every variable has the default that is promised, or is required", () => {
  for (const { name, default: promised, rule } of promisedVariables()) {
    const readers = processes.filter(([, schema]) => Object.hasOwn(schema.shape, name));
    expect(readers, name).not.toEqual([]);
    const needing = processes
      .filter(([, schema]) => environmentFaults(schema, {}).includes(`${name}: is required`))
      .map(([who]) => who);
    expect(needing, name).toEqual(expect.arrayContaining(needersOf(rule)));
    const isDefaultPromised = promised !== undefined && !rule.startsWith("required");
    const defaults = readers.map(([, schema]) => (schema.parse(secrets) as Record<string, unknown>)[name]);
    const found = isDefaultPromised ? defaults.map((value) => [value].flat().join(",")) : [];
    expect(found, name).toEqual(found.map(() => promised));
  }
});

test(`every variable is in .env.example, with its default`, async () => {
  const lines = (await readFile(new URL(".env.example", root), "utf8")).split("\n");
  for (const { name, default: promised } of promisedVariables()) {
    const line = lines.find((one) => one.startsWith(`${name}=`));
    expect(line, name).toBeDefined();
    expect(line, name).toBe(promised === undefined ? line : `${name}=${promised}`);
  }
});

test(`DATABASE_BACKEND takes what is promised, and refuses others by name`, () => {
  expect(promisedVariables().find(({ name }) => name === "DATABASE_BACKEND")?.note).toContain("or `citus`");
  for (const [, schema] of processes) {
    expect(environmentFaults(schema, { ...secrets, DATABASE_BACKEND: "citus" })).toEqual([]);
    expect(environmentFaults(schema, { ...secrets, DATABASE_BACKEND: "mysql" })).toEqual([
      expect.stringMatching(/^DATABASE_BACKEND: /),
    ]);
  }
});

test(`every call exists, with its token, its parameters, its body and its statuses`, ({ document }) => {
  const operations = operationsOf(document);
  const rows = rowsOf(sectionOf(contract, "## HTTP"))
    .map(callsOf)
    .filter((row) => row.length > 0);
  expect(rows.flat().length).toBeGreaterThan(25);

  for (const row of rows) {
    const named = row.map((call) => {
      const operation = operations.find(({ method, path }) => method === call.method && path === call.path);
      if (operation === undefined) throw new Error(`the document has no ${call.method} ${call.path}`);
      expect(operation.token, call.row).toBe(call.token);
      const parameters = operation.parameters.filter((one) => one.in === "query").map(({ name }) => name);
      expect(parameters, call.row).toEqual(expect.arrayContaining(call.query));
      const body = call.body.length > 0 ? bodyMembersOf(operation) : [];
      expect(body, call.row).toEqual(expect.arrayContaining(call.body));
      return operation;
    });
    const [first] = row;
    if (first === undefined) throw new Error("a row of the contract names no call");
    const { statuses, members, row: about } = first;
    const documented = named.flatMap(({ responses }) => Object.keys(responses).map(Number));
    expect(documented, about).toEqual(expect.arrayContaining(statuses));
    const told = named.flatMap((operation) => answerMembersOf(operation, document));
    expect(told, about).toEqual(expect.arrayContaining(members));
  }
});

test(`a problem and a list have the members that are promised`, ({ document }) => {
  const general = sectionOf(contract, "## HTTP").split("\n|")[0] ?? "";
  const promised = ["type", "title", "status", "code", "detail", "request_id", "errors"];
  expect(quotedIn(general).map((quoted) => quoted.replace(/:.*/, ""))).toEqual(
    expect.arrayContaining(promised),
  );
  const { Problem = {} } = document.components.schemas;
  expect(Object.keys(propertiesOf(Problem))).toEqual(promised);

  const lists = operationsOf(document).filter(({ parameters }) =>
    parameters.some(({ name }) => name === "limit"),
  );
  expect(lists).not.toEqual([]);
  for (const list of lists) {
    const { schema } = list.parameters.find(({ name }) => name === "limit") ?? {};
    expect(schema, list.path).toMatchObject({ maximum: 500 });
    expect(answerMembersOf(list, document), list.path).toEqual(
      expect.arrayContaining(["data", "next_cursor"]),
    );
  }
});

test(`readings are told with every promised code, and no other`, async ({ api }) => {
  const text = sectionOf(contract, "### `POST /v1/readings`");
  const others = /Other codes: ([^.]*)\./.exec(text)?.[1] ?? "";
  const codes = [
    ...quotedIn(/the same again is (`\w+`)/.exec(text)?.[1] ?? ""),
    ...quotedIn(/with code (`\w+`)/.exec(text)?.[1] ?? ""),
    ...quotedIn(others),
  ];
  expect(codes).toHaveLength(7);

  const { key: token } = await api.join();
  await api.ask("POST", "/v1/sensors", { token, json: { sensors: [{ id: "a" }, { id: "off" }] } });
  await api.ask("PUT", "/v1/sensors/off", { token, json: { active: false } });
  const at = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString();
  const reading = { sensor_id: "a", recorded_at: at(1), temperature: 20.5 };
  const all = [
    reading,
    reading,
    { ...reading, temperature: 21 },
    { ...reading, sensor_id: "unknown" },
    { ...reading, sensor_id: "off" },
    { ...reading, recorded_at: at(24 * 366) },
    { ...reading, recorded_at: at(-1) },
    { ...reading, temperature: -274 },
  ];
  const { status, body } = await api.ask("POST", "/v1/readings", { token, json: all });
  expect(status).toBe(200);
  const { results } = z.object({ results: z.array(z.object({ code: z.string() })) }).parse(body);
  expect(results.map(({ code }) => code).toSorted()).toEqual(codes.toSorted());
});

test(`readings are answered with every promised status`, ({ document }) => {
  const promised = statusesIn(sectionOf(contract, "### `POST /v1/readings`"));
  expect(promised.length).toBeGreaterThan(5);
  const post = operationsOf(document).find(({ operationId }) => operationId === "postReadings");
  expect(Object.keys(post?.responses ?? {}).map(Number)).toEqual(expect.arrayContaining(promised));
});

test(`every command has a help page`, async ({ cli }) => {
  const text = sectionOf(contract, "## Command line");
  const promised = text.slice(text.indexOf("Commands:")).replaceAll(/\([^)]*\)/g, "");
  const commands = quotedIn(promised).flatMap((quoted) => {
    const words = quoted.split(" ");
    const [first = "", second = "", ...options] = words;
    return second === ""
      ? [{ command: first, options }]
      : second.split("|").map((name) => ({ command: `${first} ${name}`, options }));
  });
  expect(commands.length).toBeGreaterThan(12);

  // An option such as --version has no page of its own.
  for (const { command, options } of commands.filter(({ command: name }) => !name.startsWith("--"))) {
    const { exitCode, out } = await cli([...command.split(" "), "--help"]);
    expect(exitCode, command).toBe(0);
    expect(out, command).toMatch(new RegExp(`^Usage: meter-outbox ${command}\\b`));
    for (const option of [...options, "--json"]) expect(out, command).toContain(option);
  }
});

test(`every npm script and every program exists`, async () => {
  const anyPackage = z.object({ name: z.string(), scripts: z.record(z.string(), z.string()) });
  const { name, scripts } = anyPackage.parse(
    JSON.parse(await readFile(new URL("package.json", root), "utf8")),
  );
  expect(contract).toContain(`The package is \`${name}\``);
  const promised = [...contract.matchAll(/`npm (?:run )?([\w:]+)/g)].map(([, script]) => String(script));
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(promised));
  expect(promised).toEqual(
    expect.arrayContaining(["demo", "test", "check", "bench", "migrate", "build", "dev"]),
  );

  const programs = [...contract.matchAll(/`node dist\/(\w+)\.js/g)].map(([, program]) => String(program));
  expect(programs).not.toEqual([]);
  for (const program of programs) expect(existsSync(new URL(`src/${program}.ts`, root)), program).toBe(true);
});

/** `name` for a required member of the body, `name?` for an optional one. */
/** The processes that do not start without the variable. */
function needersOf(rule: string): string[] {
  if (!rule.startsWith("required")) return [];
  const process = /by the (\w+)/.exec(rule)?.[1]?.toLowerCase();
  return process === undefined ? Object.keys(environments) : [process];
}

function bodyMembersOf({ requestBody }: Operation): string[] {
  const schema = requestBody?.content["application/json"]?.schema ?? {};
  const { required = [] } = schema as { required?: string[] };
  return Object.keys(propertiesOf(schema))
    .map((name) => (required.includes(name) ? name : `${name}?`))
    .toSorted();
}

/** The members of an operation's JSON answers, problems left out, at any depth. */
function answerMembersOf({ responses }: Operation, document: OpenApiDocument): string[] {
  const schemas = Object.values(responses).flatMap(
    ({ content }) => content?.["application/json"]?.schema ?? [],
  );
  return schemas.flatMap((schema) => membersIn(schema, document));
}

function membersIn(schema: unknown, document: OpenApiDocument): string[] {
  if (typeof schema !== "object" || schema === null) return [];
  const { $ref, properties, ...others } = schema as JsonSchema;
  const referred =
    typeof $ref === "string" ? document.components.schemas[$ref.split("/").at(-1) ?? ""] : undefined;
  const members = (properties ?? {}) as JsonSchema;
  const inner = [referred, ...Object.values(members), ...Object.values(others)];
  return [...Object.keys(members), ...inner.flatMap((one) => membersIn(one, document))];
}

function propertiesOf({ properties }: JsonSchema): JsonSchema {
  return (properties ?? {}) as JsonSchema;
}
