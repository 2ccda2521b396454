import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { ConsoleParts } from "../../api/console-parts.ts";
import { makeApiKey, scopes } from "../../http/api-key.ts";
import { nameSchema } from "../../http/name.ts";
import { invalidRequest } from "../../http/input-errors.ts";
import { notFound, Problem } from "../../http/problem.ts";
import {
  countWorkingKeys,
  findApiKey,
  revokeApiKey,
  type StoredKey,
  storeApiKey,
} from "../../organizations/api-keys.ts";
import { findOrganization, type Organization } from "../../organizations/organizations.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { act, requireAdmin } from "../forms/act.ts";
import { askFirst, ConfirmPage } from "../forms/confirm-page.tsx";
import { readForm } from "../forms/read-form.ts";
import { showPage } from "../layout/show-page.tsx";
import { counted } from "../parts/figures.ts";
import { When } from "../parts/when.tsx";
import { organizationsPath } from "./organizations-page.tsx";
import { organizationIdOf } from "./organizations-route.tsx";

const frame = { title: "API keys", place: "organizations" } as const;

/** Adds the making and revoking of an organization's API keys. */
export function mountKeyPages(app: ConsoleApp, { db }: ConsoleParts): void {
  app.get("/organizations/:id/keys/new", async (c) => {
    requireAdmin(c);
    const organization = await findOrganization(db, organizationIdOf(c));
    if (organization === undefined) throw notFound("organization");
    const working = await countWorkingKeys(db, organization.id);
    return askFirst(c, frame, <NewKeyQuestion organization={organization} working={working} />);
  });

  app.post("/organizations/:id/keys", async (c) => {
    requireAdmin(c);
    const organizationId = organizationIdOf(c);
    const fields = await readForm(c);
    const name = nameOf(fields["name"]);
    const granted = scopes.filter((scope) => fields[scope] === "yes");
    if (granted.length === 0) throw refused("A key needs a right: ingest, read or both.");
    const { key, prefix, keyHash } = makeApiKey(randomBytes(32));
    const stored = await act(
      { c, db },
      (trx) => storeApiKey(trx, { organizationId, name, prefix, keyHash, scopes: granted }),
      (made) =>
        made.kind === "stored" ? { action: "create_api_key", organizationId, subject: made.id } : undefined,
    );
    if (stored.kind === "not_found") throw notFound("organization");
    if (stored.kind === "archived")
      throw refused("The organization is archived: take it back before it gets a key.");
    return showPage(c, frame, <NewKeyPage value={key} back={`${organizationsPath}/${organizationId}`} />);
  });

  app.get("/organizations/:id/keys/:key_id/revoke", async (c) => {
    requireAdmin(c);
    const [organizationId, keyId] = [organizationIdOf(c), keyIdOf(c)];
    const key = await findApiKey(db, { organizationId, keyId });
    if (key === undefined) throw notFound("API key");
    const others = (await countWorkingKeys(db, organizationId)) - (key.revoked_at === null ? 1 : 0);
    const path = `${organizationsPath}/${organizationId}`;
    return askFirst(c, frame, <RevokeQuestion stored={key} others={others} path={path} />);
  });

  app.post("/organizations/:id/keys/:key_id/revoke", async (c) => {
    requireAdmin(c);
    const [organizationId, keyId] = [organizationIdOf(c), keyIdOf(c)];
    const isRevoked = await act(
      { c, db },
      (trx) => revokeApiKey(trx, { organizationId, keyId }),
      (isDone) => (isDone ? { action: "revoke_api_key", organizationId, subject: keyId } : undefined),
    );
    if (!isRevoked) throw notFound("API key");
    return c.redirect(`${organizationsPath}/${organizationId}?did=revoked`, 303);
  });
}

function NewKeyQuestion({ organization, working }: { organization: Organization; working: number }) {
  const path = `${organizationsPath}/${organization.id}`;
  return (
    <ConfirmPage
      question={`Make a key for ${organization.name}?`}
      action={`${path}/keys`}
      back={path}
      verb="Make a key"
      asks={<NewKeyFields />}
    >
      <p>
        {working === 0
          ? "No key of this organization works: it is the first."
          : `${counted(working, "key")} of this organization ${working === 1 ? "works" : "work"} besides.`}{" "}
        The new one works at once, and is shown once.
      </p>
    </ConfirmPage>
  );
}

function NewKeyFields() {
  return (
    <>
      <label>
        Name of the new key
        <input type="text" name="name" maxlength={200} autofocus />
      </label>
      <fieldset class="row">
        <legend>May</legend>
        <label class="choice">
          <input type="checkbox" name="ingest" value="yes" checked /> ingest
        </label>
        <label class="choice">
          <input type="checkbox" name="read" value="yes" checked /> read
        </label>
      </fieldset>
    </>
  );
}

type RevokeProps = { stored: StoredKey; others: number; path: string };

function RevokeQuestion({ stored, others, path }: RevokeProps) {
  return (
    <ConfirmPage
      question={`Revoke the key ${stored.prefix}…?`}
      action={`${path}/keys/${stored.id}/revoke`}
      back={path}
      verb="Revoke"
    >
      <p>
        1 key, last used <When at={stored.last_used_at} />. Requests with it are refused within a second.{" "}
        {others === 0
          ? "No other key of this organization works: nothing can be sent for it then."
          : `${counted(others, "other key")} of this organization ${others === 1 ? "goes" : "go"} on working.`}
      </p>
      <p>
        A gateway keeps its readings and can send them with another key. There is no way back for this one.
      </p>
    </ConfirmPage>
  );
}

function NewKeyPage({ value, back }: { value: string; back: string }) {
  return (
    <section class="confirm">
      <h1>The new key</h1>
      <p class="notice good mono">{value}</p>
      <p>It is shown this once and never again: only its hash is kept. Copy it now.</p>
      <p>
        <a class="button" href={back}>
          I have copied it
        </a>
      </p>
    </section>
  );
}

function nameOf(given: string | undefined): string {
  const name = nameSchema.safeParse(given ?? "");
  if (!name.success) throw invalidRequest("json", name.error.issues);
  return name.data;
}

function keyIdOf(c: ConsoleContext): string {
  const id = z.uuid().safeParse(c.req.param("key_id"));
  if (!id.success) throw notFound("API key");
  return id.data;
}

function refused(detail: string): Problem {
  return new Problem({ status: 400, code: "invalid_request", detail });
}
