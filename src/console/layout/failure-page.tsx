import { raw } from "hono/html";
import type { Log } from "../../log.ts";
import { apiProblemOf } from "../../api/failure.ts";
import { logFailure } from "../../http/log-failure.ts";
import type { ConsoleContext } from "../console-env.ts";
import { Ago, When } from "../parts/when.tsx";
import type { LastPage } from "./last-pages.ts";
import { findLastPage, showPage } from "./show-page.tsx";

/**
 * The page for whatever was thrown, with the status that the API would answer. What is the service's fault is logged. While the
 * database does not answer, a page that was shown before is shown as it was, with its age.
 */
export function showFailure(c: ConsoleContext, error: Error, log: Log): Response | Promise<Response> {
  const problem = apiProblemOf(error);
  const { status, code, detail, headers = {} } = problem.fields;
  const requestId = c.get("requestId");
  logFailure(log, problem, requestId);
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  const title = titleOf(status, code);
  const last = code === "database_unavailable" ? findLastPage(c) : undefined;
  if (last !== undefined)
    return showPage(c, { title, status: pageStatus(status) }, <OldPage last={last} again={againAt(c)} />);
  const page = (
    <section class="empty">
      <h1>{title}</h1>
      <p>{code === "database_unavailable" ? databaseAway : detail}</p>
      <p class="small">
        request_id <code>{requestId}</code>
      </p>
      <p>
        <a class="button" href={againAt(c)}>
          Try again
        </a>
      </p>
    </section>
  );
  return showPage(c, { title, status: pageStatus(status) }, page);
}

/** A page as it was, below what has happened since. */
function OldPage({ last, again }: { last: LastPage; again: string }) {
  return (
    <>
      <div class="notice bad row" role="alert">
        <p>
          <strong>The database does not answer.</strong> This is the page as it was{" "}
          <Ago at={last.at} now={new Date()} />, at <When at={last.at} />. Nothing can be done here until the
          database answers.
        </p>
        <a class="button" href={again}>
          Try again
        </a>
      </div>
      {raw(last.main)}
    </>
  );
}

function againAt(c: ConsoleContext): string {
  if (c.req.method !== "GET") return "/console";
  const { pathname, search } = new URL(c.req.url);
  return `${pathname}${search}`;
}

const databaseAway =
  "Nothing can be shown and nothing can be done here until the database answers. Readings that are sent meanwhile are answered 503, and the gateways send them again.";

/** The page for an address that nothing is at. */
export function showNotFound(c: ConsoleContext): Response | Promise<Response> {
  const page = (
    <section class="empty">
      <h1>There is no such page</h1>
      <p>
        <a href="/console">The road</a> is where all begins.
      </p>
    </section>
  );
  return showPage(c, { title: "Not found", status: 404 }, page);
}

function titleOf(status: number, code: string): string {
  if (code === "database_unavailable") return "The database does not answer";
  if (status === 404) return "There is no such thing";
  if (status === 403) return "This is not allowed";
  return status >= 500 ? "This did not work" : "This request was refused";
}

function pageStatus(status: number) {
  const known = [400, 401, 403, 404, 409, 413, 415, 503] as const;
  return known.find((one) => one === status) ?? 500;
}
