import type { Context } from "hono";
import type { HttpBindings } from "@hono/node-server";
import type { Simulation } from "../state.ts";
import { findSession } from "../v2/session.ts";
import type { Answer } from "./answer.ts";
import { invalidParameter, keyRefused, sessionExpired } from "./errors.ts";
import { parseForm } from "./form.ts";
import { authenticate, bearerOf, type Authentication } from "./keys.ts";
import type { Route, StripeRequest } from "./route.ts";

/** Hono's context; the Node request is absent when the app is called without a server. */
export type RequestContext = Context<{ Bindings: Partial<HttpBindings> }>;

export type Reading =
  | { isLetIn: true; request: StripeRequest; fingerprint: string }
  | { isLetIn: false; answer: Answer };

/** Checks the key and the encoding, and reads body or query. */
export async function readRequest(
  state: Simulation,
  { route, context, requestId }: { route: Route; context: RequestContext; requestId: string },
): Promise<Reading> {
  const authentication = admit(state, route, context);
  if (!authentication.authenticated) return { isLetIn: false, answer: authentication.answer };
  const query = queryOf(context.req.url);
  // The SDK puts the parameters of a DELETE into the query; curl puts them into the body.
  const isInQuery = route.method === "GET" || (route.method === "DELETE" && query !== "");
  const text = isInQuery ? query : await context.req.text();
  const request: StripeRequest = {
    requestId,
    idempotencyKey: context.req.header("Idempotency-Key"),
    apiKey: authentication.apiKey,
    livemode: authentication.livemode,
    path: context.req.path,
    id: context.req.param("id") ?? "",
    form: {},
    json: undefined,
    countTimes: 1,
    refusedLater: undefined,
  };
  const contentType = context.req.header("Content-Type") ?? "";
  const answer = readParameters(request, { route, text, contentType, isInQuery });
  if (answer !== undefined) return { isLetIn: false, answer };
  return { isLetIn: true, request, fingerprint: `${route.method} ${request.path} ${text}` };
}

function admit(state: Simulation, route: Route, { req }: RequestContext): Authentication {
  const header = req.header("Authorization");
  if (route.needsSession !== true) {
    return authenticate(state.keys, { header, method: route.method, path: req.path });
  }
  const token = bearerOf(header);
  if (token === undefined)
    return { authenticated: false, answer: keyRefused("You did not provide a session token.") };
  const session = findSession(state, token);
  if (session === undefined) return { authenticated: false, answer: sessionExpired() };
  return { authenticated: true, apiKey: session.apiKey, livemode: session.livemode };
}

/** v1 speaks form encoding and v2 JSON (docs.stripe.com/api-v2-overview, certain). */
function readParameters(
  request: StripeRequest,
  {
    route,
    text,
    contentType,
    isInQuery,
  }: { route: Route; text: string; contentType: string; isInQuery: boolean },
): Answer | undefined {
  if (route.api === "v2" && !isInQuery) return readJson(request, { text, contentType });
  const isForm = contentType.startsWith("application/x-www-form-urlencoded");
  if (!isInQuery && text !== "" && !isForm) {
    return invalidParameter(
      "Invalid request: parameters must be form encoded (application/x-www-form-urlencoded).",
    );
  }
  request.form = parseForm(text);
  return undefined;
}

function readJson(
  request: StripeRequest,
  { text, contentType }: { text: string; contentType: string },
): Answer | undefined {
  if (text === "") return undefined;
  if (!contentType.startsWith("application/json")) return invalidParameter("Request bodies must be JSON.");
  try {
    request.json = JSON.parse(text);
    return undefined;
  } catch {
    return invalidParameter("The request body is not valid JSON.");
  }
}

function queryOf(url: string): string {
  const mark = url.indexOf("?");
  return mark === -1 ? "" : url.slice(mark + 1);
}
