import { html } from "hono/html";
import type { Child } from "hono/jsx";
import type { AssetPaths } from "../asset-paths.ts";
import type { Session } from "../session/session-cookie.ts";
import { type Place, places } from "./places.ts";

export type Frame = {
  title: string;
  /** Where the page belongs; undefined for one that needs no session. */
  place?: Place | undefined;
  assets: AssetPaths;
  session: Session | undefined;
  children?: Child;
};

/** htmx may neither evaluate text nor write styles: the pages' Content-Security-Policy allows none. */
const htmxConfig = JSON.stringify({
  allowEval: false,
  includeIndicatorStyles: false,
  historyCacheSize: 0,
  selfRequestsOnly: true,
});

/** What every page has around its main part. */
export function PageFrame({ title, place, assets, session, children }: Frame) {
  return (
    <>
      {html`<!doctype html>`}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          <meta name="color-scheme" content="light dark" />
          <meta name="robots" content="noindex" />
          <meta name="htmx-config" content={htmxConfig} />
          <title>{`${title} · meter-outbox`}</title>
          <link rel="icon" href={assets.icon} type="image/svg+xml" />
          <link rel="stylesheet" href={assets.plotsCss} />
          <link rel="stylesheet" href={assets.css} />
          <script src={assets.htmx} defer></script>
          <script src={assets.plots} defer></script>
          <script src={assets.script} defer></script>
        </head>
        <body>
          <a class="skip" href="#main">
            Skip to the page
          </a>
          {session !== undefined && <PageHead place={place} session={session} />}
          <main id="main" tabindex={-1}>
            {children}
          </main>
        </body>
      </html>
    </>
  );
}

function PageHead({ place, session }: { place: Place | undefined; session: Session }) {
  return (
    <header class="head">
      <a class="brand" href="/console">
        meter-outbox
      </a>
      <nav aria-label="Pages">
        <ul>
          {Object.entries(places).map(([name, { path, name: shown }]) => (
            <li>
              <a href={path} aria-current={name === place ? "page" : undefined}>
                {shown}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <form class="who" method="post" action="/console/sign-out">
        <span>
          {session.name === "" ? "" : `${session.name}, `}
          {session.role === "admin" ? "operator" : "read only"}
        </span>
        <button type="submit" class="quiet">
          Sign out
        </button>
      </form>
    </header>
  );
}
