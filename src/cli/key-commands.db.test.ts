import { expect } from "vitest";
import { z } from "zod";
import { addOrganization } from "../testing/rows/organizations.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";

const createdKey = z.object({
  id: z.uuid(),
  key: z.string(),
  prefix: z.string(),
  scopes: z.array(z.string()),
});

test("a key works from its creation to its revocation", async ({ cli, api, database: { db } }) => {
  const organization = await addOrganization(db);
  const kept = createdKey.parse(await cli.json(["key", "create", organization]));
  const revoked = createdKey.parse(await cli.json(["key", "create", organization]));
  expect((await cli(["key", "revoke", revoked.id])).exitCode).toBe(0);

  const ask = async (token: string) => (await api.ask("GET", "/v1/sensors", { token })).status;
  expect([await ask(kept.key), await ask(revoked.key)]).toEqual([200, 401]);
});

test("a key has the name and scopes it was given", async ({ cli, database: { db } }) => {
  const organization = await addOrganization(db);
  const args = ["key", "create", organization, "--name", "gateway", "--scope", "ingest"];
  const { id, prefix } = createdKey.parse(await cli.json(args));

  const shown = await cli.json(["organization", "show", organization]);
  expect(shown["api_keys"]).toMatchObject([{ id, prefix, name: "gateway", scopes: ["ingest"] }]);
});

test("a key is printed once and stored nowhere", async ({ cli, database: { db } }) => {
  const organization = await addOrganization(db);
  const { out } = await cli(["key", "create", organization]);
  const [key = ""] = /mo_[\w-]{43}/.exec(out) ?? [];

  expect(key).not.toBe("");
  expect((await cli(["organization", "show", organization, "--json"])).out).not.toContain(key);
});

test("keys of nobody fail", async ({ cli }) => {
  const id = "00000000-0000-7000-8000-000000000000";
  expect(await cli(["key", "create", id])).toMatchObject({ exitCode: 1, out: "" });
  expect(await cli(["key", "revoke", id])).toMatchObject({ exitCode: 1, out: "" });
});

test("a scope that does not exist is wrong usage", async ({ cli, database: { db } }) => {
  const organization = await addOrganization(db);
  const { exitCode, err } = await cli(["key", "create", organization, "--scope", "admin"]);
  expect({ exitCode, err }).toEqual({ exitCode: 2, err: expect.stringContaining("must be ingest or read") });
});
