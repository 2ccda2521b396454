import type { AssetName, AssetPaths } from "./asset-paths.ts";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { ConsoleApp } from "./console-env.ts";

const require = createRequire(import.meta.url);

/** All that the pages load, each from the package itself or from a package that it depends on. */
const sources = {
  css: { from: own("assets/console.css"), type: "text/css" },
  script: { from: own("assets/console.js"), type: "text/javascript" },
  icon: { from: own("assets/icon.svg"), type: "image/svg+xml" },
  htmx: { from: require.resolve("htmx.org/dist/htmx.min.js"), type: "text/javascript" },
  plots: { from: require.resolve("uplot/dist/uPlot.iife.min.js"), type: "text/javascript" },
  plotsCss: { from: require.resolve("uplot/dist/uPlot.min.css"), type: "text/css" },
} as const satisfies Record<AssetName, { from: string; type: string }>;

const prefix = "/console/assets/";

/** Reads the files and adds their routes, which need no session: the sign-in page has them too. */
export async function serveAssets(app: ConsoleApp): Promise<AssetPaths> {
  const read = Object.entries(sources).map(async ([name, { from, type }]) => {
    const bytes = await readFile(from);
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    const extension = from.split(".").at(-1) ?? "";
    return { name, path: `${prefix}${name}.${hash}.${extension}`, bytes: new Uint8Array(bytes), type };
  });
  const assets = await Promise.all(read);
  for (const { path, bytes, type } of assets) {
    app.get(path.slice("/console".length), (c) =>
      c.body(bytes, 200, {
        "content-type": `${type}; charset=utf-8`,
        "cache-control": "public, max-age=31536000, immutable",
      }),
    );
  }
  const pathOf = (name: AssetName) => assets.find((asset) => asset.name === name)?.path ?? "";
  return {
    css: pathOf("css"),
    script: pathOf("script"),
    icon: pathOf("icon"),
    htmx: pathOf("htmx"),
    plots: pathOf("plots"),
    plotsCss: pathOf("plotsCss"),
  };
}

function own(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}
