import { createRoute, z } from "@hono/zod-openapi";
import { html } from "hono/html";
import type { App } from "./app-env.ts";

/** What a process is, in a sentence, and the links of its first page. */
export type Home = {
  title: string;
  does: string;
  places: readonly { path: string; shows: string }[];
};

const homeSchema = z.strictObject({
  title: z.string(),
  does: z.string(),
  places: z.array(z.strictObject({ path: z.string(), shows: z.string() })),
});

const homeRoute = createRoute({
  method: "get",
  path: "/",
  operationId: "getHome",
  summary: "What this process is, and where to go",
  tags: ["Operation"],
  responses: {
    200: {
      description: "A page for browsers, else JSON",
      content: { "application/json": { schema: homeSchema }, "text/html": { schema: z.string() } },
    },
  },
});

/** Adds `/`: a small page for a browser, and the same as JSON for every other client. */
export function mountHome(app: App, home: Home): void {
  app.openAPIRegistry.registerPath(homeRoute);
  app.get(homeRoute.path, (c) => {
    c.header("Vary", "Accept");
    const isBrowser = c.req.header("accept")?.includes("text/html") === true;
    return isBrowser ? c.html(renderHome(home)) : c.json(home);
  });
}

function renderHome({ title, does, places }: Home): ReturnType<typeof html> {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${title}</title>
      </head>
      <body>
        <h1>${title}</h1>
        <p>${does}</p>
        <ul>
          ${places.map(({ path, shows }) => html`<li><a href="${path}">${path}</a>: ${shows}</li>`)}
        </ul>
      </body>
    </html>`;
}
