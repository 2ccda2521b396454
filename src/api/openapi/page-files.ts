import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { App } from "../../http/app-env.ts";
import { notFound } from "../../http/problem.ts";
import { answerFile, readServedFile, type ServedFile } from "../../http/served-file.ts";
import type { PageFiles } from "./openapi-page.ts";

const require = createRequire(import.meta.url);
const prefix = "/docs/assets/";

/** Adds the routes of the page's files. They are read when the first reader comes; most processes never have one. */
export function servePageFiles(app: App): () => Promise<PageFiles> {
  let read: Promise<ServedFile[]> | undefined;
  const files = () =>
    (read ??= readPageFiles().catch((error: unknown) => {
      read = undefined;
      throw error;
    }));
  app.get(`${prefix}:file`, async (c) => {
    const found = (await files()).find(({ path }) => path === c.req.path);
    if (found === undefined) throw notFound("file");
    return answerFile(c, found);
  });
  return async () => {
    const all = await files();
    const pathOf = (name: keyof PageFiles) => all.find((file) => file.name === name)?.path ?? "";
    return {
      style: pathOf("style"),
      script: pathOf("script"),
      referenceStyle: pathOf("referenceStyle"),
      reference: pathOf("reference"),
    };
  };
}

function readPageFiles(): Promise<ServedFile[]> {
  const [css, js] = ["text/css", "text/javascript"];
  const sources: { name: keyof PageFiles; from: string; type: string }[] = [
    { name: "style", from: own("assets/docs.css"), type: css },
    { name: "script", from: own("assets/docs.js"), type: js },
    { name: "referenceStyle", from: require.resolve("swagger-ui-dist/swagger-ui.css"), type: css },
    { name: "reference", from: require.resolve("swagger-ui-dist/swagger-ui-bundle.js"), type: js },
  ];
  return Promise.all(sources.map((source) => readServedFile(prefix, source)));
}

function own(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
