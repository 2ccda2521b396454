import { Hono } from "hono";
import { html } from "hono/html";

const title = "Stripe simulator";
const does =
  "Takes Stripe's place for meter-outbox, and forgets everything when it ends. Stripe's own calls need a key.";
const places = [
  { path: "/_simulator/state", shows: "everything it holds" },
  { path: "/_simulator/bill", shows: "what each customer would be billed" },
  { path: "/_simulator/meter_events", shows: "the meter events that it counted" },
  { path: "/_simulator/requests", shows: "the requests that it answered" },
  { path: "/_simulator/webhook_deliveries", shows: "the events that it sent" },
  { path: "/_simulator/faults", shows: "the faults that it plays" },
];

/** `/`: a small page for a browser, and the same as JSON for everything else. */
export function homeRoutes(): Hono {
  const routes = new Hono();
  routes.get("/", (c) => {
    c.header("Vary", "Accept");
    const isBrowser = c.req.header("accept")?.includes("text/html") === true;
    return isBrowser ? c.html(page()) : c.json({ title, does, places });
  });
  return routes;
}

function page(): ReturnType<typeof html> {
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
