// Takes the pictures that README.md and docs/console.md show, of a running console with the demo's data:
//   node scripts/docs-pictures.ts http://127.0.0.1:3000 "$ADMIN_TOKEN"
import { mkdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { openBrowser } from "../src/testing/browser/chromium.ts";

const bytesMax = 200_000;
const folder = fileURLToPath(new URL("../docs/pictures/", import.meta.url));

/** What stands in each, from the start page on. */
const pictures: Record<string, (page: Page) => Promise<unknown>> = {
  road: async (page) => page.locator("canvas").first().waitFor(),
  organization: async (page) => {
    await openFirst(page, "/console/organizations");
    await page.getByRole("link", { name: "temperature_readings, month" }).click();
    await page.locator("canvas").first().waitFor();
  },
  "meter-event": async (page) =>
    openFirst(page, "/console/meter-events?meter=temperature_readings&state=delivered"),
  books: async (page) => page.goto("/console/books"),
};

const [url, token] = process.argv.slice(2);
if (url === undefined || token === undefined) {
  console.error("usage: node scripts/docs-pictures.ts <url of the API> <token>");
  process.exit(2);
}
await mkdir(folder, { recursive: true });
const browser = await openBrowser();
try {
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width: 1_280, height: 860 },
    colorScheme: "light",
  });
  const page = await context.newPage();
  await page.goto("/console/sign-in");
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  for (const [name, show] of Object.entries(pictures)) {
    await page.goto("/console");
    await show(page);
    await page.evaluate("window.scrollTo(0, 0)");
    const path = `${folder}${name}.png`;
    await page.screenshot({ path, animations: "disabled" });
    const { size } = await stat(path);
    console.log(`docs/pictures/${name}.png ${size} bytes`);
    if (size >= bytesMax) throw new Error(`${name}.png has more than ${bytesMax} bytes`);
  }
} finally {
  await browser.close();
}

/** The thing that the first row of a list is about. */
async function openFirst(page: Page, list: string): Promise<void> {
  await page.goto(list);
  await page.locator("tbody tr a").first().click();
  await page.locator("dl.facts").first().waitFor();
}
