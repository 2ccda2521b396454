import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const withoutWindows = "/usr/bin/chromium-headless-shell";
const withWindows = "/usr/bin/chromium";

/**
 * A name of this machine that browsers take for another one: over plain HTTP they trust it less than 127.0.0.1, and send it
 * no `Sec-Fetch-Site`.
 */
export const farHost = "console.meter-outbox.test";

/** Of Debian's packages: the one that draws no windows of its own takes half of the processor. */
export const chromiumPath =
  process.env["CHROMIUM_PATH"] ?? (existsSync(withoutWindows) ? withoutWindows : withWindows);

/** Why tests in a browser cannot run here; undefined: they can. The gate installs it, and skips nothing. */
export const whyNoBrowser = existsSync(chromiumPath)
  ? undefined
  : `there is no browser at ${chromiumPath} (CHROMIUM_PATH): apt-get install chromium-headless-shell, or chromium`;

/** Starts a browser of our own. Its owner closes it. */
export async function openBrowser(executablePath = chromiumPath): Promise<Browser> {
  return chromium.launch({
    executablePath,
    // As root, in a container, a browser cannot make its own sandbox; it opens our own pages only.
    args: [
      "--no-sandbox",
      "--disable-dev-shm-usage",
      "--disable-gpu",
      "--force-color-profile=srgb",
      `--host-resolver-rules=MAP ${farHost} 127.0.0.1`,
    ],
  });
}
