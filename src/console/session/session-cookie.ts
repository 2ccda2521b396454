import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";

/** `admin` may act, `reader` may only look. */
export const roles = ["admin", "reader"] as const;
export type Role = (typeof roles)[number];

export type Session = {
  role: Role;
  /**
   * As the person wrote it at the sign-in; empty when left out. It proves nothing: any holder of the token may write
   * any name.
   */
  name: string;
  expiresAt: Date;
};

/** The token of each role; a role without one has no sessions. */
export type Tokens = { admin: string; reader?: string | undefined };

export const sessionHours = 12;

const payloadSchema = z.strictObject({ role: z.enum(roles), name: z.string().max(80), expires: z.int() });

/** A session as text for a cookie, signed with a key made of the role's token: another token ends it. */
export function signSession(session: Session, tokens: Tokens): string {
  const token = tokens[session.role];
  if (token === undefined) throw new Error(`${session.role} has no token to sign with`);
  const payload = { role: session.role, name: session.name, expires: session.expiresAt.getTime() };
  const text = Buffer.from(JSON.stringify(payload)).toString("base64url");
  return `${text}.${sign(text, token).toString("base64url")}`;
}

/** The session of a cookie; undefined for one that is over, forged, or signed with another token. */
export function readSession(cookie: string, tokens: Tokens, now: Date): Session | undefined {
  const [text = "", signature = "", ...more] = cookie.split(".");
  const payload = more.length === 0 ? parsePayload(text) : undefined;
  if (payload === undefined) return undefined;
  const token = tokens[payload.role];
  if (token === undefined || !isSame(Buffer.from(signature, "base64url"), sign(text, token)))
    return undefined;
  const { role, name, expires } = payload;
  return expires <= now.getTime() ? undefined : { role, name, expiresAt: new Date(expires) };
}

function parsePayload(text: string): z.infer<typeof payloadSchema> | undefined {
  try {
    return payloadSchema.safeParse(JSON.parse(Buffer.from(text, "base64url").toString("utf8"))).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function sign(text: string, token: string): Buffer {
  const key = createHmac("sha256", token).update("meter-outbox console session").digest();
  return createHmac("sha256", key).update(text).digest();
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
