import type { Log } from "../../log.ts";
import { apiProblemOf } from "../../api/failure.ts";
import { logFailure } from "../../http/log-failure.ts";
import type { ConsoleContext } from "../console-env.ts";
import { showPage } from "./show-page.tsx";

/** The page for whatever was thrown, with the status that the API would answer. What is the service's fault is logged. */
export function showFailure(c: ConsoleContext, error: Error, log: Log): Response | Promise<Response> {
  const problem = apiProblemOf(error);
  const { status, code, detail, headers = {} } = problem.fields;
  const requestId = c.get("requestId");
  logFailure(log, problem, requestId);
  for (const [name, value] of Object.entries(headers)) c.header(name, value);
  const page = (
    <section class="empty">
      <h1>{titleOf(status, code)}</h1>
      <p>{code === "database_unavailable" ? databaseAway : detail}</p>
      <p class="small">
        request_id <code>{requestId}</code>
      </p>
      <p>
        <a class="button" href={c.req.method === "GET" ? c.req.path : "/console"}>
          Try again
        </a>
      </p>
    </section>
  );
  return showPage(c, { title: titleOf(status, code), status: pageStatus(status) }, page);
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
