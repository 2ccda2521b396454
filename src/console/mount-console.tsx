import { Hono } from "hono";
import { csrf } from "hono/csrf";
import type { ConsoleParts } from "../api/console-parts.ts";
import type { App } from "../http/app-env.ts";
import { holdInShare, operator } from "../http/hold-bytes.ts";
import type { ConsoleApp, ConsoleEnv } from "./console-env.ts";
import { showFailure, showNotFound } from "./layout/failure-page.tsx";
import { createLastPages } from "./layout/last-pages.ts";
import { guardPages } from "./guard-pages.ts";
import { mountActions } from "./actions/actions-route.tsx";
import { mountBooks } from "./books/books-route.tsx";
import { mountComparison } from "./books/compare-route.tsx";
import { mountOrganizationBooks } from "./books/organization-books-route.tsx";
import { mountDelivery } from "./delivery/delivery-route.tsx";
import { mountMeterEventActions } from "./meter-events/event-actions-route.tsx";
import { mountMeterEventPages } from "./meter-events/events-route.tsx";
import { mountKeyPages } from "./organizations/keys-route.tsx";
import { mountOrganizationPages } from "./organizations/organizations-route.tsx";
import { mountSensorPages } from "./organizations/sensors-route.tsx";
import { mountStatementPages } from "./organizations/statements-route.tsx";
import { mountRoad } from "./road/road-route.tsx";
import { serveAssets } from "./served-assets.ts";
import { requireSession } from "./session/require-session.ts";
import { mountInboxPages } from "./stripe-events/stripe-events-route.tsx";
import { mountSignIn } from "./session/sign-in-route.tsx";

/** Adds the console at `/console`: pages for people, over the same functions as the API's routes. */
export async function mountConsole(app: App, parts: ConsoleParts): Promise<void> {
  const { log, adminToken, consoleToken, signInCode, now } = parts;
  const tokens = { admin: adminToken, reader: consoleToken };
  const pages: ConsoleApp = new Hono<ConsoleEnv>();
  pages.onError((error, c) => showFailure(c, error, log));
  pages.use(guardPages());
  const assets = await serveAssets(pages);
  const lastPages = createLastPages();
  pages.use(async (c, next) => {
    c.set("assets", assets);
    c.set("lastPages", lastPages);
    await next();
  });
  pages.use(csrf({ origin: isOwnOrigin }));
  mountSignIn(pages, { tokens, code: signInCode, log, now });
  pages.use(requireSession(tokens, now));
  // Not in that of strangers, who could fill it and keep an operator from pausing delivery.
  pages.use(holdInShare(app.parts.held, operator));
  mountRoad(pages, parts);
  mountMeterEventActions(pages, parts);
  mountMeterEventPages(pages, parts);
  mountOrganizationPages(pages, parts);
  mountKeyPages(pages, parts);
  mountSensorPages(pages, parts);
  mountStatementPages(pages, parts);
  mountBooks(pages, parts);
  mountOrganizationBooks(pages, parts);
  mountComparison(pages, parts);
  mountInboxPages(pages, parts);
  mountDelivery(pages, parts);
  mountActions(pages, parts);
  pages.all("*", showNotFound);
  app.get("/console/", (c) => c.redirect(`/console${new URL(c.req.url).search}`, 308));
  app.route("/console", pages);
}

/** A proxy that ends TLS changes the scheme, and leaves the host. */
function isOwnOrigin(
  origin: string,
  { req }: { req: { header: (name: string) => string | undefined } },
): boolean {
  return URL.canParse(origin) && new URL(origin).host === req.header("host");
}
