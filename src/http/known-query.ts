import type { Context, MiddlewareHandler } from "hono";
import type { App, AppEnv } from "./app-env.ts";
import { Problem } from "./problem.ts";
import { routeOf } from "./request-log.ts";

const errorsMax = 100;
const nameCharsMax = 100;

/**
 * Refuses query parameters that the route's schema does not name, on every route: a misspelt filter would otherwise
 * list everything.
 */
export function refuseUnknownQuery(app: App): MiddlewareHandler<AppEnv> {
  const routeFor = createRouteLookup(app);
  return async (c, next) => {
    const { names } = hasQuery(c) ? (routeFor(c) ?? {}) : {};
    const unknown = Object.keys(c.req.query()).filter((name) => names?.has(name) === false);
    if (unknown.length > 0) throw unknownParameters(unknown);
    await next();
  };
}

/** The same, only for routes without a token: the others check the token first. */
export function refuseUnknownQueryOfOpenRoutes(app: App): MiddlewareHandler<AppEnv> {
  const routeFor = createRouteLookup(app);
  const refuse = refuseUnknownQuery(app);
  return (c, next) => (hasQuery(c) && routeFor(c)?.isOpen === true ? refuse(c, next) : next());
}

function hasQuery(c: Context): boolean {
  return c.req.url.includes("?");
}

type KnownRoute = { names: ReadonlySet<string>; isOpen: boolean; takesBody: boolean };

/** Makes the function that finds what the document says of a request's route; undefined: it has none. */
export function createRouteLookup(app: App): (c: Context) => KnownRoute | undefined {
  let routes: Map<string, KnownRoute> | undefined;
  return (c) => {
    const pattern = routeOf(c);
    if (pattern === undefined) return undefined;
    // All routes exist by the time of the first request.
    routes ??= readRoutes(app);
    return routes.get(`${c.req.method === "HEAD" ? "GET" : c.req.method} ${pattern}`);
  };
}

function readRoutes(app: App): Map<string, KnownRoute> {
  const routes = new Map<string, KnownRoute>();
  for (const definition of app.openAPIRegistry.definitions) {
    if (definition.type !== "route") continue;
    const { method, path, request, security } = definition.route;
    const query = request?.query;
    const shape = query !== undefined && "shape" in query ? query.shape : {};
    const pattern = path.replaceAll(/\{(\w+)\}/g, ":$1");
    const known = {
      names: new Set(Object.keys(shape)),
      isOpen: security === undefined,
      takesBody: request?.body !== undefined,
    };
    routes.set(`${method.toUpperCase()} ${pattern}`, known);
  }
  return routes;
}

function unknownParameters(names: readonly string[]): Problem {
  const errors = names.slice(0, errorsMax).map((name) => ({
    pointer: name.slice(0, nameCharsMax),
    code: "unknown_parameter",
    detail: "This parameter is not known.",
  }));
  const detail = `${errors[0]?.pointer ?? ""}: This parameter is not known.`;
  return new Problem({ status: 400, code: "invalid_request", detail, errors });
}
