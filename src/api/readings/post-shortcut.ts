import type { IncomingMessage, ServerResponse } from "node:http";
import type { AnswerParts } from "../../http/app-env.ts";
import { bearerToken } from "../../http/authentication.ts";
import type { HeldBytes } from "../../http/held-bytes.ts";
import type { KeyOwner } from "../../http/key-lookup.ts";
import {
  type PlainAnswer,
  type PlainPost,
  readPlainBody,
  readPlainPost,
  writePlainAnswer,
} from "../../http/plain-post.ts";
import { type Problem, problemBody } from "../../http/problem.ts";
import { decodeBody } from "../../http/read-body.ts";
import type { Shortcut } from "../../http/shortcut.ts";
import type { KnownKeys } from "../guards.ts";
import { acceptDocument, type DocumentDeps } from "./accept-document.ts";

type ShortcutDeps = { intake: DocumentDeps; keys: KnownKeys; path: string };
type Exchange = { incoming: IncomingMessage; outgoing: ServerResponse; post: PlainPost; owner: KeyOwner };

/** The key of a body that took longer to come is looked up again: it may have been revoked meanwhile. */
const slowBodyMs = 250;

/**
 * The way of nearly every reading, without router, middleware and the web's Request and Response, which cost more than
 * all the rest: a short, plain POST with a key that was found lately. It asks for the same, in the same order, by the
 * same functions; every other request, and every one that would be refused before its body is read, goes to the
 * application. It answers what becomes of the body, problems included.
 */
export function createPostShortcut(parts: AnswerParts, deps: ShortcutDeps): Shortcut {
  return (incoming, outgoing) => {
    const post = readPlainPost(incoming, deps.path);
    const owner = post === undefined ? undefined : deps.keys.recall(bearerToken(post.authorization) ?? "");
    if (post === undefined || owner === undefined) return undefined;
    if (owner.isArchived || !owner.scopes.includes("ingest")) return undefined;
    const share = parts.held.shareOf(owner.organizationId);
    if (!share.hasRoom(post.bytes)) return undefined;
    return answerPost({ parts, deps, share }, { incoming, outgoing, post, owner });
  };
}

type Tools = { parts: AnswerParts; deps: ShortcutDeps; share: HeldBytes };

async function answerPost({ parts, deps, share }: Tools, exchange: Exchange): Promise<HeldBytes> {
  const startedAtMs = performance.now();
  const { outgoing, post, owner } = exchange;
  const { organizationId } = owner;
  const requestId = parts.requestLog.requestIdFor(post.requestId);
  const hold = share.begin();
  hold.keep(post.bytes);
  const answer = await takeIn(deps, { ...exchange, startedAtMs }, (error) =>
    answerOfProblem(parts.problemOf(error, requestId), requestId),
  );
  hold.release();
  const { path } = deps;
  const { status } = answer;
  parts.requestLog.tell({
    method: "POST",
    path,
    route: path,
    status,
    startedAtMs,
    requestId,
    organizationId,
  });
  writePlainAnswer(outgoing, requestId, answer);
  return share;
}

async function takeIn(
  { intake, keys }: ShortcutDeps,
  { incoming, post, owner, startedAtMs }: Exchange & { startedAtMs: number },
  answerOf: (error: unknown) => PlainAnswer,
): Promise<PlainAnswer> {
  try {
    // Read first: an answer that is given before the whole request came ends its connection.
    const body = await readPlainBody(incoming, post.bytes);
    if (performance.now() - startedAtMs > slowBodyMs) await keys.expectKey(post.authorization, "ingest");
    if (keys.limitRequests !== undefined) await keys.limitRequests(owner.keyId);
    if (intake.readingsLimit !== undefined) await intake.readingsLimit.admit(owner.keyId);
    const { status, result } = await acceptDocument(intake, owner, decodeBody(body));
    return { status, contentType: "application/json", body: JSON.stringify(result) };
  } catch (error) {
    return answerOf(error);
  }
}

function answerOfProblem(problem: Problem, requestId: string): PlainAnswer {
  const { status, headers } = problem.fields;
  const body = JSON.stringify(problemBody(problem, requestId));
  return { status, contentType: "application/problem+json", headers, body };
}
