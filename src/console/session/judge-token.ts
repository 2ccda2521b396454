import { createHash, timingSafeEqual } from "node:crypto";
import { type Role, roles, type Tokens } from "./session-cookie.ts";

/** The role of a token; undefined when it is none of them. The time it takes tells nothing about the tokens. */
export function judgeToken(token: string, tokens: Tokens): Role | undefined {
  return roles.filter((role) => isToken(token, tokens[role]))[0];
}

/** False where there is nothing to compare with. */
export function isToken(given: string, expected: string | undefined): boolean {
  return expected !== undefined && timingSafeEqual(digest(given), digest(expected));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
