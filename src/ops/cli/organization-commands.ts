import type { Command } from "commander";
import { z } from "zod";
import { nameSchema } from "../../http/name.ts";
import { renderApiKey } from "../api-keys-route.ts";
import { listApiKeys } from "../api-keys.ts";
import { renderOrganization } from "../organizations-route.ts";
import {
  createOrganization,
  findOrganization,
  listOrganizations,
  type Organization,
} from "../organizations.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { parsedBy } from "./parsed-by.ts";
import type { Run } from "./run.ts";
import { textFields, textTable } from "./text-table.ts";

const pageSize = 500;

/** Adds `organization create`, `list` and `show`. */
export function addOrganizationCommands(program: Command, run: Run): void {
  const organization = program.command("organization").description("who sends usage and pays for it");
  organization
    .command("create")
    .description("create an organization")
    .argument("<name>", "up to 200 characters; need not be unique", parsedBy(nameSchema.min(1)))
    .action((name: string) => run((tools) => create(tools, name)));
  organization
    .command("list")
    .description("list all organizations, the oldest first")
    .action(() => run(list));
  organization
    .command("show")
    .description("show an organization with its API keys")
    .argument("<id>", "a UUID", parsedBy(z.uuid("must be a UUID")))
    .action((id: string) => run((tools) => show(tools, id)));
}

async function create({ db }: CommandTools, name: string): Promise<Outcome> {
  const { id, createdAt } = await createOrganization(db, { name });
  return { kind: "done", document: { id, name, created_at: createdAt.toISOString() }, text: id };
}

async function list({ db }: CommandTools): Promise<Outcome> {
  const organizations: Organization[] = [];
  for (let page = await listOrganizations(db, { after: undefined, limit: pageSize }); page.length > 0;) {
    organizations.push(...page);
    page = await listOrganizations(db, { after: page.at(-1)?.id, limit: pageSize });
  }
  return {
    kind: "done",
    document: { data: organizations.map(renderOrganization) },
    text: textTable(
      ["ID", "NAME", "CUSTOMER", "STATUS", "SENSORS"],
      organizations.map(({ id, name, subscription, activeSensors }) => [
        id,
        name,
        subscription?.stripeCustomerId ?? null,
        subscription?.status ?? null,
        activeSensors,
      ]),
    ),
  };
}

async function show({ db }: CommandTools, id: string): Promise<Outcome> {
  const organization = await findOrganization(db, id);
  if (organization === undefined) return { kind: "failed", message: "there is no such organization" };
  const keys = await listApiKeys(db, { organizationId: id, after: undefined, limit: pageSize });
  const { subscription } = organization;
  const fields = textFields([
    ["id", id],
    ["name", organization.name],
    ["created", organization.createdAt.toISOString()],
    ["active sensors", organization.activeSensors],
    ["customer", subscription?.stripeCustomerId ?? null],
    ["subscription", subscription?.stripeSubscriptionId ?? null],
    ["status", subscription?.status ?? null],
    ["period start", subscription?.currentPeriodStart?.toISOString() ?? null],
    ["period end", subscription?.currentPeriodEnd?.toISOString() ?? null],
  ]);
  const table = textTable(
    ["KEY ID", "PREFIX", "NAME", "SCOPES", "LAST USED", "REVOKED"],
    keys
      .map(renderApiKey)
      .map((key) => [key.id, key.prefix, key.name, key.scopes.join(","), key.last_used_at, key.revoked_at]),
  );
  return {
    kind: "done",
    document: { ...renderOrganization(organization), api_keys: keys.map(renderApiKey) },
    text: `${fields}\n\n${table}`,
  };
}
