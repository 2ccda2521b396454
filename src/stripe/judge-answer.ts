import { expectedObject } from "./expected-object.ts";
import { ForeignAnswer } from "./foreign-answer.ts";

type JsonObject = Record<string, unknown>;

/** How Stripe writes the types and codes of its errors: `invalid_request_error`, `resource_missing`. */
const errorWord = /^[a-z][a-z0-9_]*$/;

/**
 * The answer's body, when it is one of Stripe's own; throws a `ForeignAnswer` otherwise. The status is judged first:
 * below 300 the body has to be the requested object, from 400 on an error in Stripe's form. Every other answer came
 * from a server between us and Stripe, whatever its status says.
 */
export function judgeAnswer(
  { method, path }: { method: string; path: string },
  { status, text }: { status: number; text: string },
): JsonObject {
  const body = parse(status, text);
  const fault = status < 300 ? faultOfObject(body, { method, path }) : faultOfError(status, body);
  if (fault !== undefined) throw new ForeignAnswer(status, fault);
  return body;
}

function parse(status: number, text: string): JsonObject {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ForeignAnswer(status, text === "" ? "it is empty" : "it is not JSON");
  }
  if (!isObject(body)) throw new ForeignAnswer(status, "it is JSON, and no object");
  return body;
}

function faultOfObject(body: JsonObject, asked: { method: string; path: string }): string | undefined {
  if ("error" in body) return "it is an error with a status of success";
  const expected = expectedObject(asked.method, asked.path);
  switch (expected.kind) {
    case "empty":
      return Object.keys(body).length === 0 ? undefined : "it is no empty object";
    case "list":
      if (expected.isNamed && body["object"] !== "list") return "it is no list";
      return Array.isArray(body["data"]) && body["data"].every(isObject) ? undefined : "it is no list";
    case "object":
      if (body["object"] !== expected.name) return `it is no ${expected.name}`;
      return expected.id === undefined || body["id"] === expected.id
        ? undefined
        : `it is another ${expected.name}`;
  }
}

function faultOfError(status: number, { error }: JsonObject): string | undefined {
  if (status < 400) return "it has a status that Stripe does not use";
  if (!isObject(error)) return "it has no error object";
  const { type, code, message } = error;
  if (typeof message !== "string") return "its error has no message";
  // v1 gives every error a type, v2 a code.
  return isErrorWord(type) || isErrorWord(code) ? undefined : "its error has neither type nor code";
}

function isErrorWord(word: unknown): boolean {
  return typeof word === "string" && errorWord.test(word);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
