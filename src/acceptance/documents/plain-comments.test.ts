import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { listDocuments, readDocument } from "./read-document.ts";

const root = new URL("../../../", import.meta.url);
/** They leave open who is meant: a caller, an operator, a gateway, another process. */
const hidingWords = /\b(?:whoever|whomever|lest|nobody|somebody|someone|anybody|everybody)\b/i;

test("no comment hides its subject", async () => {
  const found = await Promise.all(
    (await readPaths()).map(async (path) =>
      commentsOf(await readFile(new URL(path, root), "utf8"), path)
        .filter(({ text }) => hidingWords.test(withoutCode(text)))
        .map(({ line, text }) => `${path}:${line} ${text}`),
    ),
  );
  expect(found.flat(), "say who does what; docs/code.md has the voice").toEqual([]);
});

test("no page hides who is meant", async () => {
  // The contract is fixed, and the README's first screen too; code.md names the words.
  const fixed = ["README.md", "docs/contract.md", "docs/code.md"];
  const pages = (await listDocuments()).filter((path) => !fixed.includes(path));
  const found = await Promise.all(
    pages.map(async (path) =>
      (await readDocument(path))
        .split("\n")
        .flatMap((text, index) =>
          hidingWords.test(withoutCode(text)) ? [`${path}:${index + 1} ${text.slice(0, 200)}`] : [],
        ),
    ),
  );
  expect(found.flat()).toEqual([]);
});

test.each([
  ["// Whoever asks waits.", true],
  ["const a = 1; // for somebody", true],
  ["/** The caller waits. */", false],
  ["/** As `nobody`, the account. */", false],
  ['const nobody = "somebody // else";', false],
])("%j hides its subject: %j", (source, isHidden) => {
  expect(commentsOf(source, "a.ts").some(({ text }) => hidingWords.test(withoutCode(text)))).toBe(isHidden);
});

type Comment = { line: number; text: string };

/** Each line of a comment, with its number in the file. */
function commentsOf(source: string, path: string): Comment[] {
  const mark = path.endsWith(".sql") ? /^\s*--(.*)$/ : /^\s*(?:\/?\*+|\/\/)(.*)$|[;,{(]\s+\/\/ (.*)$/;
  return source.split("\n").flatMap((row, index) => {
    const match = mark.exec(row);
    return match === null ? [] : [{ line: index + 1, text: match[1] ?? match[2] ?? "" }];
  });
}

function withoutCode(text: string): string {
  return text.replaceAll(/`[^`]*`/g, "");
}

/** Without the types that Kysely's generator writes, and without this file's examples. */
const leftOut = ["src/database/schema.ts", "src/acceptance/documents/plain-comments.test.ts"];

async function readPaths(): Promise<string[]> {
  const folders = ["src", "scripts"].map(async (folder) =>
    (await readdir(new URL(folder, root), { recursive: true })).map((path) => `${folder}/${path}`),
  );
  return (await Promise.all(folders))
    .flat()
    .filter((path) => /\.(?:tsx?|m?js|sql)$/.test(path) && !leftOut.includes(path));
}
