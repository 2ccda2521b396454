import { once } from "node:events";
import { IncomingMessage, request } from "node:http";
import { expect } from "vitest";
import { z } from "zod";
import { strangers } from "../../http/hold-bytes.ts";
import { farHost, whyNoBrowser } from "../../testing/browser/chromium.ts";
import { adminToken, consoleTest, readerToken, signInCode } from "../../testing/fixtures/console-fixture.ts";

const test = consoleTest;
const inBrowser = consoleTest.skipIf(whyNoBrowser !== undefined);
const paths = ["/console", "/console/road/live", "/console/nothing"];

inBrowser("a person signs in with the token, sees the name, and signs out", async ({ visit, site }) => {
  const { page, see } = await visit({ token: null });
  await see("/console");
  expect(page.url()).toBe(`${site.url}/console/sign-in`);
  await page.getByLabel("Token").fill(adminToken);
  await page.getByLabel("Your name").fill("<b>Ada</b>");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "The road of a reading" }).waitFor();
  expect(await page.getByText("<b>Ada</b>, operator").count()).toBe(1);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token").waitFor();
  await see("/console");
  expect(page.url()).toBe(`${site.url}/console/sign-in`);
});

inBrowser("a person signs in and acts over plain HTTP from another machine", async ({ visit, site }) => {
  const { page } = await visit({ token: null, baseURL: site.url.replace("127.0.0.1", farHost) });
  await page.goto("/console/sign-in");
  await page.getByLabel("Token").fill(adminToken);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "The road of a reading" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token").waitFor();
});

test("the cookie is for this site and these pages only, and Secure behind TLS", async ({ site }) => {
  const sign = (headers: Record<string, string>) =>
    site.ask("/console/sign-in", {
      method: "POST",
      headers: { origin: site.url, ...headers },
      body: new URLSearchParams({ token: adminToken }),
    });
  const plain = await sign({});
  expect(plain.status).toBe(303);
  expect(plain.headers.get("set-cookie")).toMatch(
    /; Path=\/console; Expires=[^;]+; HttpOnly; SameSite=Strict$/,
  );
  const secure = await sign({ "x-forwarded-proto": "https" });
  expect(secure.headers.get("set-cookie")).toMatch(/; HttpOnly; Secure; SameSite=Strict$/);
});

test("a stranger, an organization's key and a forged cookie see nothing", async ({ site, api }) => {
  const { key } = await api.join();
  const forged = (await site.signIn(adminToken)).replace(/.$/, "");
  for (const path of paths) {
    for (const headers of [{}, { authorization: `Bearer ${key}` }, { cookie: forged }]) {
      const answer = await site.ask(path, { headers });
      expect(answer.status, path).toBe(303);
      expect(answer.headers.get("location")).toBe("/console/sign-in");
      expect(await answer.text()).toBe("");
    }
  }
  expect(await site.signIn(key)).toBe("");
  expect(await site.signIn("")).toBe("");
});

test("another site's form gets nothing, with a cookie or without", async ({ site }) => {
  const cookie = await site.signIn(adminToken);
  for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }, {}]) {
    const answer = await site.ask("/console/sign-out", { method: "POST", headers: { cookie, ...headers } });
    expect(answer.status).toBe(403);
    expect(answer.headers.get("set-cookie")).toBeNull();
  }
  const own = { cookie, origin: site.url };
  expect((await site.ask("/console/sign-out", { method: "POST", headers: own })).status).toBe(303);
});

test("a part that renews itself makes the whole page go once the session is over", async ({ site }) => {
  const answer = await site.ask("/console/road/live", { headers: { "hx-request": "true" } });
  expect(answer.status).toBe(401);
  expect(answer.headers.get("hx-refresh")).toBe("true");
});

test("wrong tokens are slowed down, and the log names no token", async ({ site }) => {
  for (let wrong = 0; wrong < 10; wrong += 1) await site.signIn(`wrong-${wrong}`);
  const answer = await site.ask("/console/sign-in", {
    method: "POST",
    headers: { origin: site.url },
    body: new URLSearchParams({ token: adminToken }),
  });
  expect(answer.status).toBe(429);
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  const refused = site.events.filter(({ event }) => event === "console_sign_in_refused");
  expect(refused).toHaveLength(10);
  expect(JSON.stringify(site.events)).not.toMatch(/wrong-\d|operator-token/);
});

test("of many wrong tokens that come at once no more are looked at than of those that come one by one", async ({
  site,
}) => {
  const tries = await Promise.all(
    Array.from({ length: 60 }, (_, at) => beginSignIn(site.url, `wrong-${at}`)),
  );
  const statuses = await Promise.all(tries.map(({ end }) => end()));
  expect(statuses.filter((status) => status === 401)).toHaveLength(10);
  expect(statuses.filter((status) => status === 429)).toHaveLength(50);
});

/** A sign-in of which the server has all but the body. */
async function beginSignIn(url: string, token: string) {
  const body = new URLSearchParams({ token }).toString();
  const headers = { origin: url, expect: "100-continue", "content-length": body.length };
  const sent = request(`${url}/console/sign-in`, { method: "POST", headers, agent: false });
  sent.flushHeaders();
  await once(sent, "continue");
  const end = async (): Promise<number | undefined> => {
    const answered = once(sent, "response");
    sent.end(body);
    const [answer] = z.tuple([z.instanceof(IncomingMessage)]).parse(await answered);
    answer.resume();
    return answer.statusCode;
  };
  return { end };
}

test("strangers that hold all they may keep no operator who has signed in from acting", async ({ site }) => {
  const headers = { cookie: await site.signIn(adminToken), origin: site.url };
  const act = () => {
    const body = new URLSearchParams({ scope: "account", reason: "x" });
    return site.ask("/console/delivery/pause", { method: "POST", headers, body });
  };
  const share = site.held.shareOf(strangers);
  const hold = share.begin();
  hold.keep(share.bytesMax);
  try {
    expect(await site.signIn(adminToken)).toBe("");
    expect((await act()).status).toBe(303);
  } finally {
    hold.release();
  }
});

test("the one-time link signs in once", async ({ site }) => {
  const path = `/console/sign-in?code=${signInCode}`;
  const first = await site.ask(path);
  expect(first.status).toBe(303);
  const [cookie = ""] = first.headers.get("set-cookie")?.split(";") ?? [];
  expect((await site.ask("/console", { headers: { cookie } })).status).toBe(200);
  const second = await site.ask(path);
  expect(second.status).toBe(401);
  expect(await second.text()).toContain("This link was used");
});

test("the address with a slash behind it is that of the start page", async ({ site }) => {
  const answer = await site.ask("/console/?span=day");
  expect(answer.status).toBe(308);
  expect(answer.headers.get("location")).toBe("/console?span=day");
});

test("every answer of the console forbids what it does not need", async ({ site }) => {
  const cookie = await site.signIn(readerToken);
  for (const path of [...paths, "/console/sign-in"]) {
    const { headers } = await site.ask(path, { headers: { cookie } });
    expect(headers.get("content-security-policy"), path).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    expect(headers.get("cache-control"), path).toBe("no-store");
  }
});

test("what pages load is there, kept for ever, and named by its bytes", async ({ site }) => {
  const page = await (await site.ask("/console/sign-in")).text();
  const assets = [...page.matchAll(/(?:src|href)="(\/console\/assets\/[^"]+)"/g)].map(
    ([, path = ""]) => path,
  );
  expect(assets).toHaveLength(6);
  for (const path of assets) {
    const answer = await site.ask(path);
    expect(answer.status, path).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(path).toMatch(/\.[\da-f]{16}\.(?:css|js|svg)$/);
  }
  expect(page).not.toMatch(/<script(?![^>]* src=)|style=|https?:\/\/(?!www\.w3)/);
});
