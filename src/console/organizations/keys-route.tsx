import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { ConsoleParts } from "../../api/console-parts.ts";
import { makeApiKey, scopes } from "../../http/api-key.ts";
import { nameSchema } from "../../http/name.ts";
import { invalidRequest } from "../../http/input-errors.ts";
import { notFound, Problem } from "../../http/problem.ts";
import { revokeApiKey, storeApiKey } from "../../organizations/api-keys.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { act, requireAdmin } from "../forms/act.ts";
import { ConfirmPage } from "../forms/confirm-page.tsx";
import { readForm } from "../forms/read-form.ts";
import { showPage } from "../layout/show-page.tsx";
import { organizationsPath } from "./organizations-page.tsx";
import { organizationIdOf } from "./organizations-route.tsx";

const frame = { title: "API keys", place: "organizations" } as const;

/** Adds the making and revoking of an organization's API keys. */
export function mountKeyPages(app: ConsoleApp, { db }: ConsoleParts): void {
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
    const back = `${organizationsPath}/${organizationIdOf(c)}`;
    const page = (
      <ConfirmPage
        question="Revoke this key?"
        action={`${back}/keys/${keyIdOf(c)}/revoke`}
        back={back}
        verb="Revoke"
      >
        <p>
          Whoever uses it is refused within a second. A gateway keeps its readings and can send them with
          another key. There is no way back.
        </p>
      </ConfirmPage>
    );
    return showPage(c, frame, page);
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
