import { expect, test } from "vitest";
import { readSession, type Session, signSession } from "./session-cookie.ts";

const tokens = { admin: "a".repeat(32), reader: "r".repeat(32) };
const now = new Date("2026-11-22T10:00:00Z");
const session: Session = { role: "reader", name: "Ada", expiresAt: new Date("2026-11-22T22:00:00Z") };

test("a session is read as it was signed, until it is over", () => {
  const cookie = signSession(session, tokens);
  expect(readSession(cookie, tokens, now)).toEqual(session);
  expect(readSession(cookie, tokens, new Date(session.expiresAt.getTime() - 1))).toEqual(session);
  expect(readSession(cookie, tokens, session.expiresAt)).toBeUndefined();
});

test("another token ends the sessions of its role, and none of the other's", () => {
  const cookie = signSession(session, tokens);
  expect(readSession(cookie, { ...tokens, reader: "n".repeat(32) }, now)).toBeUndefined();
  expect(readSession(cookie, { admin: tokens.admin }, now)).toBeUndefined();
  expect(readSession(cookie, { ...tokens, admin: "n".repeat(32) }, now)).toEqual(session);
});

test("a reader's session does not become an operator's by its text", () => {
  const [, signature = ""] = signSession(session, tokens).split(".");
  const [text = ""] = signSession({ ...session, role: "admin" }, tokens).split(".");
  expect(readSession(`${text}.${signature}`, tokens, now)).toBeUndefined();
});

test.each([
  "",
  ".",
  "a.b.c",
  "nonsense",
  `${Buffer.from("null").toString("base64url")}.`,
  `${Buffer.from('{"role":"owner","name":"","expires":9999999999999}').toString("base64url")}.AA`,
  `${Buffer.from('{"role":"admin","name":"","expires":9999999999999}').toString("base64url")}.`,
])("%j is no session", (cookie) => {
  expect(readSession(cookie, tokens, now)).toBeUndefined();
});
