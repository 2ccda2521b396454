import { expect } from "vitest";
import type { App } from "../../http/app-env.ts";
import { type AnswerCheck, createAnswerCheck } from "./answer-check.ts";
import { documentSchema, type OpenApiDocument } from "./document.ts";

/** An `app.request` that compares every answer with the document. */
export type AskApp = (path: string, init: RequestInit) => Promise<Response>;

// The document is the same for every app, and validators are slow to make.
let checkMade: Promise<AnswerCheck> | undefined;

/** The document that the application serves. */
export async function readDocument(app: App): Promise<OpenApiDocument> {
  const answer = await app.request("/openapi.json");
  return documentSchema.parse(await answer.json());
}

/** Asks the application without a socket, and fails the test when an answer is not as documented. */
export function checkedRequests(app: App): AskApp {
  return async (path, init) => {
    const response = await app.request(path, init);
    checkMade ??= readDocument(app).then(createAnswerCheck);
    const check = await checkMade;
    const { status, headers } = response;
    const text = await response.clone().text();
    const method = init.method ?? "GET";
    expect(check({ method, path, status, headers, text })).toEqual([]);
    return response;
  };
}
