import type { Page } from "playwright-core";
import { expect } from "vitest";
import { whyNoBrowser } from "../../testing/browser/chromium.ts";
import { adminToken, consoleTest } from "../../testing/fixtures/console-fixture.ts";

const test = consoleTest.skipIf(whyNoBrowser !== undefined);

/** Opens one call of the reference. */
async function openCall(page: Page, operationId: string) {
  const call = page.locator(`.opblock[id$="-${operationId}"]`);
  await call.locator(".opblock-summary").click();
  return call;
}

test("a call is tried with a token, which goes nowhere else and is kept nowhere", async ({ visit, site }) => {
  const { page, faults } = await visit({ token: null });
  const asked: { url: string; authorization: string | undefined }[] = [];
  page.on("request", (request) => {
    asked.push({ url: request.url(), authorization: request.headers()["authorization"] });
  });
  await page.goto("/docs");
  await page.getByRole("button", { name: "Authorize" }).first().click();
  const box = page.locator(".auth-container").filter({ hasText: "adminToken" });
  expect(await box.getByRole("textbox").evaluate((one) => one.outerHTML)).toMatch(
    /(?=.* autocomplete="off")(?=.* spellcheck="false")/,
  );
  await box.getByRole("textbox").fill(adminToken);
  await box.getByRole("button", { name: "Apply credentials" }).click();
  await page.locator(".close-modal").click();
  const call = await openCall(page, "getOutbox");
  await call.getByRole("button", { name: "Try it out" }).click();
  await call.getByRole("button", { name: "Execute" }).click();
  const answer = call.locator(".live-responses-table");
  await answer.waitFor();
  expect(await answer.innerText()).toMatch(/200[\s\S]*meter_events/);

  expect(asked.filter(({ url }) => !url.startsWith(`${site.url}/`) && !url.startsWith("data:"))).toEqual([]);
  const told = asked.filter(({ authorization }) => authorization !== undefined);
  expect(told).toEqual([{ url: `${site.url}/v1/outbox`, authorization: `Bearer ${adminToken}` }]);
  expect(await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")).toBe(
    '[{},{},""]',
  );
  expect(faults).toEqual([]);

  await page.reload();
  // Its address names the open call.
  const again = page.locator('.opblock[id$="-getOutbox"]');
  await again.getByRole("button", { name: "Try it out" }).click();
  await again.getByRole("button", { name: "Execute" }).click();
  await again.locator(".live-responses-table").waitFor();
  expect(asked.filter(({ authorization }) => authorization !== undefined)).toHaveLength(1);
});

test("the plain page is there without scripts, and where the reference does not arrive", async ({
  visit,
}) => {
  const { page: unscripted } = await visit({ token: null, javaScriptEnabled: false });
  await unscripted.goto("/docs");
  expect(await unscripted.locator("#plain").isVisible()).toBe(true);
  expect(await unscripted.locator("#plain").innerText()).toContain("POST /v1/readings");

  const { page: cut } = await visit({ token: null });
  await cut.route(/\/docs\/assets\/reference\./, (route) => route.abort());
  await cut.goto("/docs");
  expect(await cut.locator("#plain").isVisible()).toBe(true);
});
