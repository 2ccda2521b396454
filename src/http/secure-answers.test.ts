import { expect, test } from "vitest";
import { silentLog } from "../log.ts";
import { createApp } from "./app.ts";

function createSmallApp() {
  const app = createApp({ log: silentLog });
  app.get("/json", (c) => c.json({ is: "well" }));
  app.get("/broken", () => {
    throw new Error("broken");
  });
  app.get("/page", (c) =>
    c.html("<p>", 200, { "content-security-policy": "style-src x", "cache-control": "max-age=1" }),
  );
  return app;
}

test.for([
  ["GET", "/json", 200],
  ["GET", "/nowhere", 404],
  ["DELETE", "/json", 405],
  ["GET", "/broken", 500],
] as const)(
  "%s %s, which is answered %i, gives browsers and caches nothing to do",
  async ([method, path, status]) => {
    const answer = await createSmallApp().request(path, { method });
    expect(answer.status).toBe(status);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    });
    expect(answer.headers.has("server")).toBe(false);
    expect(answer.headers.has("x-powered-by")).toBe(false);
  },
);

test("what a route says itself stays", async () => {
  const { headers } = await createSmallApp().request("/page");
  expect(headers.get("content-security-policy")).toBe("style-src x");
  expect(headers.get("cache-control")).toBe("max-age=1");
});
