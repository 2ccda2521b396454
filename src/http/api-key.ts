import { hash } from "node:crypto";

/** The rights of a key: `ingest` writes readings and sensors, `read` reads them and the usage. */
export const scopes = ["ingest", "read"] as const;
export type Scope = (typeof scopes)[number];

const prefixLength = 11;
const keyFormat = /^mo_[\w-]{43}$/;

export type NewApiKey = { key: string; prefix: string; keyHash: Buffer };

/** Makes a key of 32 random bytes. The key is shown once; only its prefix and hash are stored. */
export function makeApiKey(randomBytes: Buffer): NewApiKey {
  const key = `mo_${randomBytes.toString("base64url")}`;
  return { key, prefix: key.slice(0, prefixLength), keyHash: Buffer.from(hashApiKey(key), "base64") };
}

/** SHA-256 of the whole key, in base64. No salt: a key is 256 random bits, which no search can find. */
export function hashApiKey(key: string): string {
  return hash("sha256", key, "base64");
}

/** Whether the text has the form of a key; any other text is refused before the database is asked. */
export function isApiKey(text: string): boolean {
  return keyFormat.test(text);
}
