import { expect } from "vitest";
import { z } from "zod";
import { addOrganization } from "../testing/rows/organizations.ts";
import { cliTest as test } from "../testing/fixtures/cli-fixture.ts";

const created = z.strictObject({
  id: z.uuid(),
  name: z.string(),
  external_id: z.string().nullable(),
  created_at: z.iso.datetime(),
});

test("an organization that is created can be shown, as the API shows it", async ({ cli, api }) => {
  const { id } = created.parse(await cli.json(["organization", "create", "Acme"]));
  const { body } = await api.ask("GET", `/v1/organizations/${id}`, { token: api.adminToken });

  expect(await cli.json(["organization", "show", id])).toEqual({ ...body, api_keys: [] });
});

test("every organization is listed, with its customer and status", async ({ cli, database: { db } }) => {
  const first = await addOrganization(db, { customer: "cus_first" });
  const second = await addOrganization(db);

  const { out } = await cli(["organization", "list"]);
  expect(out).toMatch(
    new RegExp(
      `${first} +Acme +- +cus_first +active +yes +0 +- +-\\n${second} +Acme +- +- +- +no +0 +- +-\\n$`,
    ),
  );
  expect((await cli.json(["organization", "list"]))["data"]).toMatchObject([{ id: first }, { id: second }]);
});

test("the list of all organizations is the API's document", async ({ cli, api, database: { db } }) => {
  await addOrganization(db, { customer: "cus_first" });
  await addOrganization(db);
  const { body } = await api.ask("GET", "/v1/organizations", { token: api.adminToken });

  expect(await cli.json(["organization", "list"])).toEqual(body);
});

test("an organization is changed as by the API, and named by its external id", async ({ cli, api }) => {
  const token = api.adminToken;
  const { id } = await cli.json(["organization", "create", "Acme", "--external-id", "crm-1"]);
  const shown = async () => (await api.ask("GET", `/v1/organizations/${String(id)}`, { token })).body;
  const acme = "external:crm-1";

  expect(await cli.json(["organization", "rename", acme, "Ünïcode 株式会社"])).toEqual(await shown());
  expect(await shown()).toMatchObject({ name: "Ünïcode 株式会社" });
  const link = ["organization", "link", acme, "cus_1", "--subscription", "sub_1"];
  expect(await cli.json(link)).toEqual((await shown())["subscription"]);
  expect(await shown()).toMatchObject({ subscription: { stripe_customer_id: "cus_1", status: "active" } });
  expect(await cli.json(["organization", "unlink", acme])).toEqual({ unlinked: true });
  expect(await shown()).toMatchObject({ subscription: null });
  expect(await cli.json(["organization", "archive", acme])).toEqual(await shown());
  expect((await cli.json(["organization", "list", "--archived"]))["data"]).toEqual([await shown()]);
  expect((await cli.json(["organization", "list", "--current"]))["data"]).toEqual([]);
  expect(await cli(["key", "create", acme])).toMatchObject({ exitCode: 1, out: "" });
  expect(await cli.json(["organization", "unarchive", acme])).toMatchObject({ archived: false });
  expect(await cli.json(["key", "create", acme])).toMatchObject({ scopes: ["ingest", "read"] });
  expect(await cli.json(["organization", "identify", acme])).toMatchObject({ external_id: null });
  expect(await cli.json(["organization", "identify", String(id), "crm-2"])).toEqual(await shown());
});

test("what the API answers 409 fails with the reason", async ({ cli, events }) => {
  const { id } = await cli.json(["organization", "create", "Acme", "--external-id", "crm-1"]);
  expect(await cli(["organization", "create", "Other", "--external-id", "crm-1"])).toEqual({
    exitCode: 1,
    out: "",
    err: `error: the external id crm-1 is taken by ${String(id)}\n`,
  });
  await cli(["organization", "link", String(id), "cus_1"]);
  await events.seal({ organization: String(id) });
  const { exitCode, err } = await cli(["organization", "archive", "external:crm-1"]);
  expect(exitCode).toBe(1);
  expect(err).toContain("meter events are pending");
});

test("an organization that does not exist fails on stderr", async ({ cli }) => {
  const id = "00000000-0000-7000-8000-000000000000";
  for (const args of [
    ["organization", "show", id],
    ["organization", "show", "external:nobody"],
    ["organization", "rename", id, "x"],
    ["organization", "archive", id],
    ["organization", "link", id, "cus_1"],
    ["organization", "unlink", id],
    ["key", "create", id],
    ["statement", "--organization", id],
    ["count-sensors", "--organization", id],
    ["cut-over", "--at", "period-end", "--organization", id],
    ["cut-over", "--at", "2026-11-01T00:00:00Z", "--organization", id],
    ["explain", "--idempotency-key", "k", "--organization", id],
    ["events", "list", "--organization", id],
    ["events", "list", "--organization", "external:nobody"],
    ["events", "retry", "--state", "rejected", "--organization", id],
    ["events", "retry", "--state", "rejected", "--organization", "external:nobody"],
    ["events", "resolve", "all", "delivered", "--reason", "x", "--organization", id],
  ]) {
    const err = "error: there is no such organization\n";
    expect(await cli(args), args.join(" ")).toEqual({ exitCode: 1, out: "", err });
  }
});

test.for([
  [["organization", "show", "acme"], "must be a UUID"],
  [["organization", "create", " "], "Too small"],
  [["organization", "show", "external:a/b"], "must be a UUID"],
  [["organization", "identify", "external:a", "external:b"], "must come without external:"],
  [["organization", "link", "external:a", "cus 1"], "error: customer must be"],
  [
    ["organization", "link", "external:a", "cus_1", "--status", "on"],
    "error: --status must be one of active,",
  ],
  [
    ["organization", "link", "external:a", "cus_1", "--period-end", "2026-11-01T00:00:00Z"],
    "error: --period-start must be given with --period-end\n",
  ],
  [
    ["organization", "create", "a", "--external-id", "a", "--external-id=b"],
    "'--external-id <external-id>' is given twice",
  ],
  [["stripe", "setup", "--reading-amount", "1"], "are for --prices"],
  [["stripe", "setup", "--currency", "eur"], "are for --prices"],
  [["reconcile", "--after-restore", "--period", "last"], "cannot be used with"],
  [["reconcile", "--all", "--organization", "external:a"], "cannot be used with"],
  [["organization", "list", "--archived", "--current"], "cannot be used with"],
  [["usage", "--csv", "--json"], "cannot be used with"],
  [["--json", "statement", "--csv"], "cannot be used with"],
  [["organization", "create"], "missing required argument"],
  [["organization"], "Usage: meter-outbox organization"],
  [["sensors"], "missing required argument"],
  [["thermometers"], "unknown command"],
  [["outbox", "status", "--colour"], "unknown option"],
  [[], "Usage: meter-outbox"],
] as const)("%j is wrong usage", async ([args, said], { cli }) => {
  const { exitCode, out, err } = await cli([...args]);
  expect({ exitCode, out }).toEqual({ exitCode: 2, out: "" });
  expect(err).toContain(said);
});
