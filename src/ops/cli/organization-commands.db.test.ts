import { expect } from "vitest";
import { z } from "zod";
import { addOrganization } from "../../testing/organizations.ts";
import { cliTest as test } from "../../testing/cli-test.ts";

const created = z.object({ id: z.uuid(), name: z.string(), created_at: z.iso.datetime() });

test("an organization that is created can be shown, as the API shows it", async ({ cli, api }) => {
  const { id } = created.parse(await cli.json(["organization", "create", "Acme"]));
  const { body } = await api.ask("GET", `/v1/organizations/${id}`, { token: api.adminToken });

  expect(await cli.json(["organization", "show", id])).toEqual({ ...body, api_keys: [] });
});

test("every organization is listed, with its customer and status", async ({ cli, database: { db } }) => {
  const first = await addOrganization(db, { customer: "cus_first" });
  const second = await addOrganization(db);

  const { out } = await cli(["organization", "list"]);
  expect(out).toMatch(new RegExp(`${first} +Acme +cus_first +active +0\\n${second} +Acme +- +- +0\\n$`));
  expect((await cli.json(["organization", "list"]))["data"]).toMatchObject([{ id: first }, { id: second }]);
});

test("an organization that does not exist fails on stderr", async ({ cli }) => {
  const id = "00000000-0000-7000-8000-000000000000";
  expect(await cli(["organization", "show", id])).toEqual({
    exitCode: 1,
    out: "",
    err: "error: there is no such organization\n",
  });
});

test.for([
  [["organization", "show", "acme"], "must be a UUID"],
  [["organization", "create", " "], "Too small"],
  [["organization", "create"], "missing required argument"],
  [["organization"], "Usage: meter-outbox organization"],
  [["sensors"], "unknown command"],
  [["outbox", "status", "--colour"], "unknown option"],
  [[], "Usage: meter-outbox"],
] as const)("%j is wrong usage", async ([args, said], { cli }) => {
  const { exitCode, out, err } = await cli([...args]);
  expect({ exitCode, out }).toEqual({ exitCode: 2, out: "" });
  expect(err).toContain(said);
});
