import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Context } from "hono";

export type FileSource = { name: string; from: string; type: string };

/** A file of the package as browsers get it. The hash of its bytes is in its name, so that a browser never asks again. */
export type ServedFile = {
  name: string;
  path: string;
  type: string;
  bytes: Uint8Array<ArrayBuffer>;
  packed: Uint8Array<ArrayBuffer>;
};

const pack = promisify(gzip);

/** Reads a file that is served below `prefix`, and packs it once for all browsers. */
export async function readServedFile(prefix: string, { name, from, type }: FileSource): Promise<ServedFile> {
  const bytes = await readFile(from);
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const extension = from.split(".").at(-1) ?? "";
  const packed = await pack(bytes, { level: 9 });
  return {
    name,
    path: `${prefix}${name}.${hash}.${extension}`,
    type,
    bytes: new Uint8Array(bytes),
    packed: new Uint8Array(packed),
  };
}

/** Answers with the file, packed where the browser takes that. */
export function answerFile(c: Context, { bytes, packed, type }: ServedFile): Response {
  const isPacked = /\bgzip\b(?!\s*;\s*q=0)/.test(c.req.header("accept-encoding") ?? "");
  return c.body(isPacked ? packed : bytes, 200, {
    "content-type": `${type}; charset=utf-8`,
    "cache-control": "public, max-age=31536000, immutable",
    vary: "Accept-Encoding",
    ...(isPacked && { "content-encoding": "gzip" }),
  });
}
