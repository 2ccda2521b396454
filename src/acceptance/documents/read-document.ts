import { readdir, readFile } from "node:fs/promises";

const projectRoot = new URL("../../../", import.meta.url);

/** A document's text by its path in the project, such as `docs/api.md`. */
export async function readDocument(path: string): Promise<string> {
  return readFile(new URL(path, projectRoot), "utf8");
}

/** The paths of all pages for people: README.md and docs/*.md. */
export async function listDocuments(): Promise<string[]> {
  const names = await readdir(new URL("docs/", projectRoot));
  const pages = names.filter((name) => name.endsWith(".md")).toSorted();
  return ["README.md", ...pages.map((name) => `docs/${name}`)];
}
