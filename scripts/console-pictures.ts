// Takes a picture of each page of a running console, at three widths, light and dark, to be looked at:
//   node scripts/console-pictures.ts http://127.0.0.1:3000 "$ADMIN_TOKEN" pictures [/console/delivery …]
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { places } from "../src/console/layout/places.ts";
import { openBrowser } from "../src/testing/browser/chromium.ts";

const widths = [1_440, 1_024, 390];
const schemes = ["light", "dark"] as const;
const heightPixels = 900;
const organization = ["/console/organizations", "tbody th a"] as const;
/** Pages of one thing: from which page on, and what is followed from there; left out where there is no such link. */
const further: Record<string, readonly [from: string, ...links: string[]]> = {
  organization,
  months: [...organization, "text=temperature_readings, months"],
  sensors: [...organization, "text=All its sensors"],
  sensor: [...organization, 'a[href*="/sensor?"]'],
  "make-a-key": [...organization, 'a[href$="/keys/new"]'],
  "revoke-a-key": [...organization, 'a[href$="/revoke"]'],
  statement: [...organization, 'a[href*="/statements/"]'],
  "books-of-one": [...organization, "text=Its books"],
  compare: [...organization, "text=Its books", 'a[href*="/compare"]'],
  window: ["/console/books", 'a[href*="/window?"]'],
  "meter-event": ["/console/meter-events?meter=temperature_readings", "tbody th a"],
  "stripe-event": ["/console/stripe-events", "tbody th a"],
  pause: ["/console/delivery", "text=Pause"],
  "no-such-page": ["/console/nothing"],
};

const [url, token, folder = "pictures", ...named] = process.argv.slice(2);
if (url === undefined || token === undefined) {
  console.error("usage: node scripts/console-pictures.ts <url of the API> <token> [folder] [path …]");
  process.exit(2);
}
await mkdir(folder, { recursive: true });
const browser = await openBrowser();
try {
  const pages = await findPages({ url, token });
  for (const width of widths)
    for (const colorScheme of schemes) await takeAll({ url, token, pages }, width, colorScheme);
} finally {
  await browser.close();
}

type Console = { url: string; token: string };

/** The path of each page by the name of its pictures. */
async function findPages(at: Console): Promise<Record<string, string>> {
  const nameOf = (path: string) => path.replace(/^\/console\/?/, "").replaceAll(/[^\w]+/g, "-") || "road";
  if (named.length > 0) return Object.fromEntries(named.map((path) => [nameOf(path), path]));
  const found: Record<string, string> = Object.fromEntries(
    Object.values(places).map(({ path }) => [nameOf(path), path]),
  );
  const page = await signIn(at, { width: 1_440, colorScheme: "light" });
  for (const [name, [from, ...links]] of Object.entries(further)) {
    const path = await follow(page, from, links);
    if (path !== undefined) found[name] = path;
  }
  await page.context().close();
  return found;
}

async function follow(page: Page, from: string, links: readonly string[]): Promise<string | undefined> {
  await page.goto(from);
  for (const link of links) {
    const href = await page
      .locator(link)
      .first()
      .getAttribute("href", { timeout: 1_000 })
      .catch(() => null);
    if (href === null) return undefined;
    await page.goto(href);
  }
  const { pathname, search } = new URL(page.url());
  return `${pathname}${search}`;
}

type Look = { width: number; colorScheme: "light" | "dark" };

async function signIn(at: Console, { width, colorScheme }: Look): Promise<Page> {
  const viewport = { width, height: heightPixels };
  const context = await browser.newContext({ baseURL: at.url, viewport, colorScheme });
  const page = await context.newPage();
  await page.goto("/console/sign-in");
  await page.getByLabel("Token").fill(at.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading").first().waitFor();
  return page;
}

async function takeAll(
  { pages, ...at }: Console & { pages: Record<string, string> },
  width: number,
  colorScheme: "light" | "dark",
): Promise<void> {
  const page = await signIn(at, { width, colorScheme });
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(path, { waitUntil: "load" });
    const file = join(folder, `${name}-${width}-${colorScheme}.png`);
    await page.screenshot({ path: file, fullPage: true });
    console.log(file);
  }
  await page.context().close();
}
