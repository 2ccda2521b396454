import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { listDocuments, readDocument } from "./read-document.ts";

const projectRoot = new URL("../../..", import.meta.url);
const documents = new Map(
  await Promise.all((await listDocuments()).map(async (path) => [path, await readDocument(path)] as const)),
);

test("every link between documents leads somewhere", () => {
  const broken = [...documents].flatMap(([path, text]) =>
    linksIn(text)
      .filter((link) => !leadsSomewhere(path, link))
      .map((link) => `${path} ${link}`),
  );
  expect(broken).toEqual([]);
});

test("every file of the project that a document names is there", () => {
  const missing = [...documents].flatMap(([path, text]) =>
    filesNamedIn(text)
      .filter((file) => !existsSync(new URL(file, projectRoot)))
      .map((file) => `${path} ${file}`),
  );
  expect(missing).toEqual([]);
});

test("README.md links every other document", () => {
  const linked = linksIn(documents.get("README.md") ?? "");
  const pages = [...documents.keys()].filter((path) => path !== "README.md");
  expect(pages.filter((path) => !linked.includes(path))).toEqual([]);
});

function leadsSomewhere(from: string, link: string): boolean {
  const [file = "", anchor] = link.split("#");
  const path = file === "" ? from : new URL(file, `file:///${from}`).pathname.slice(1);
  if (!existsSync(new URL(path, projectRoot))) return false;
  return anchor === undefined || anchorsIn(documents.get(path) ?? "").includes(anchor);
}

function linksIn(markdown: string): string[] {
  return [...withoutBlocks(markdown).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = ""]) => link)
    .filter((link) => !/^[a-z]+:/.test(link));
}

/** `dist/` is what the build makes of `src/`. */
function filesNamedIn(markdown: string): string[] {
  return [
    ...markdown.matchAll(/(?<![\w/.])(?:dist|docs|scripts|src)\/[\w./-]*\w|(?<=--env-file )[\w./-]+/g),
  ].map(([file]) => file.replace(/^dist\/(.+)\.js$/, "src/$1.ts").replace(/^dist$/, "src"));
}

/** As GitHub names them: lower case, spaces become dashes, other signs go. */
function anchorsIn(markdown: string): string[] {
  return [...withoutBlocks(markdown).matchAll(/^#+ +(.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function withoutBlocks(markdown: string): string {
  return markdown.replaceAll(/^```.*?^```$/gms, "");
}
