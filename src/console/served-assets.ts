import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { answerFile, readServedFile } from "../http/served-file.ts";
import type { AssetName, AssetPaths } from "./asset-paths.ts";
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
  const assets = await Promise.all(
    Object.entries(sources).map(([name, source]) => readServedFile(prefix, { name, ...source })),
  );
  for (const asset of assets) app.get(asset.path.slice("/console".length), (c) => answerFile(c, asset));
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
