import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** Debian's `chromium` package. */
export const chromiumPath = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium";

/** Why tests in a browser cannot run here; undefined: they can. The gate installs it, and skips nothing. */
export const whyNoBrowser = existsSync(chromiumPath)
  ? undefined
  : `there is no browser at ${chromiumPath} (CHROMIUM_PATH): apt-get install chromium`;

/** Starts a browser of our own. Its owner closes it. */
export async function openBrowser(executablePath = chromiumPath): Promise<Browser> {
  return chromium.launch({
    executablePath,
    // As root, in a container, a browser cannot make its own sandbox; it opens our own pages only.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb"],
  });
}
