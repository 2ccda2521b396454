import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { z } from "zod";

const require = createRequire(import.meta.url);
const axePath = require.resolve("axe-core/axe.min.js");
/** Read once: each page gets it anew. */
const axe = readFile(axePath, "utf8");
// Every rule runs; what passes is not listed, and no selector is sought for what fails.
const options = '{ resultTypes: ["violations"], selectors: false }';
const found = z.array(z.object({ id: z.string(), nodes: z.array(z.object({ html: z.string() })) }));

/**
 * The faults that axe finds in a page: the rule and the element. It runs beside the page's own scripts, past its
 * policy.
 */
export async function findAxeFaults(page: Page): Promise<string[]> {
  await page.evaluate(await axe);
  const violations = await page.evaluate(`axe.run(${options}).then(({ violations }) => violations)`);
  return found.parse(violations).flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
