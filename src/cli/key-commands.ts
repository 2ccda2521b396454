import { actAs } from "../actions/operator-actions.ts";
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { z } from "zod";
import { makeApiKey, type Scope, scopes } from "../http/api-key.ts";
import { nameSchema } from "../http/name.ts";
import { revokeApiKey, storeApiKey } from "../organizations/api-keys.ts";
import type { CommandTools } from "./command-tools.ts";
import { findKeyOwner } from "./find-key-owner.ts";
import {
  noSuchOrganization,
  onOrganization,
  organizationHelp,
  parseOrganization,
} from "./organization-argument.ts";
import type { Outcome } from "./outcome.ts";
import { parsedBy } from "./parsed-by.ts";
import type { Run } from "./run.ts";
import { textFields } from "./text-table.ts";

const parseId = parsedBy(z.uuid("must be a UUID"));
const parseScope = parsedBy(z.enum(scopes, `must be ${scopes.join(" or ")}`));
const collectScopes = (text: string, before: readonly Scope[] = []) => [
  ...new Set([...before, parseScope(text)]),
];

type NewKey = { name?: string; scope?: Scope[] };

/** Adds `key create` and `revoke`. */
export function addKeyCommands(program: Command, run: Run): void {
  const key = program.command("key").description("API keys of organizations");
  key
    .command("create")
    .description("create an API key and print it, this once and never again")
    .argument("<organization>", organizationHelp, parseOrganization)
    .option("--name <name>", "for people", parsedBy(nameSchema))
    .option("--scope <scope>", "ingest or read; repeat for both, which is the default", collectScopes)
    .action((reference: string, options: NewKey) =>
      run((tools) =>
        onOrganization(tools.db, reference, (organizationId) => create(tools, organizationId, options)),
      ),
    );
  key
    .command("revoke")
    .description("revoke an API key, which fails within a second")
    .argument("<key-id>", "a UUID, as `organization show` lists it", parseId)
    .action((keyId: string) => run((tools) => revoke(tools, keyId)));
}

async function create(
  tools: CommandTools,
  organizationId: string,
  { name = "", scope: granted = [...scopes] }: NewKey,
): Promise<Outcome> {
  const { key, prefix, keyHash } = makeApiKey(randomBytes(32));
  const stored = await actAs(
    tools,
    (trx) => storeApiKey(trx, { organizationId, name, prefix, keyHash, scopes: granted }),
    (made) =>
      made.kind === "stored" ? { action: "create_api_key", organizationId, subject: made.id } : undefined,
  );
  if (stored.kind === "not_found") return noSuchOrganization;
  if (stored.kind === "archived") {
    return { kind: "failed", message: "the organization is archived: take it back before it gets a key" };
  }
  const fields = textFields([
    ["id", stored.id],
    ["scopes", granted.join(", ")],
    ["key", key],
  ]);
  return {
    kind: "done",
    document: { id: stored.id, key, prefix, scopes: granted },
    text: `${fields}\n\nThe key is shown this once and never again.`,
  };
}

const noSuchKey: Outcome = { kind: "failed", message: "there is no such API key" };

async function revoke(tools: CommandTools, keyId: string): Promise<Outcome> {
  const organizationId = await findKeyOwner(tools.db, keyId);
  if (organizationId === undefined) return noSuchKey;
  const isRevoked = await actAs(
    tools,
    (trx) => revokeApiKey(trx, { organizationId, keyId }),
    (isDone) => (isDone ? { action: "revoke_api_key", organizationId, subject: keyId } : undefined),
  );
  if (!isRevoked) return noSuchKey;
  return { kind: "done", document: { id: keyId, revoked: true }, text: "revoked" };
}
