// Takes a picture of each page of a running console, at three widths, light and dark, to be looked at:
//   node scripts/console-pictures.ts http://127.0.0.1:3000 "$ADMIN_TOKEN" pictures [/console/delivery …]
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { places } from "../src/console/layout/places.ts";
import { openBrowser } from "../src/testing/browser/chromium.ts";

const widths = [1_440, 1_024, 390];
const schemes = ["light", "dark"] as const;
const heightPixels = 900;

const [url, token, folder = "pictures", ...named] = process.argv.slice(2);
if (url === undefined || token === undefined) {
  console.error("usage: node scripts/console-pictures.ts <url of the API> <token> [folder] [path …]");
  process.exit(2);
}
await mkdir(folder, { recursive: true });
const paths = named.length > 0 ? named : Object.values(places).map(({ path }) => path);
const browser = await openBrowser();
try {
  for (const width of widths)
    for (const colorScheme of schemes) await takeAll({ url, token }, width, colorScheme);
} finally {
  await browser.close();
}

async function takeAll(
  at: { url: string; token: string },
  width: number,
  colorScheme: "light" | "dark",
): Promise<void> {
  const viewport = { width, height: heightPixels };
  const context = await browser.newContext({ baseURL: at.url, viewport, colorScheme });
  const page = await context.newPage();
  await page.goto("/console/sign-in");
  await page.getByLabel("Token").fill(at.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading").first().waitFor();
  for (const path of paths) {
    await page.goto(path, { waitUntil: "load" });
    const name = `${path.replace(/^\/console\/?/, "").replaceAll(/[^\w]+/g, "-") || "road"}-${width}-${colorScheme}.png`;
    await page.screenshot({ path: join(folder, name), fullPage: true });
    console.log(join(folder, name));
  }
  await context.close();
}
