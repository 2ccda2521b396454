/** The object that Stripe answers a request with when it grants it. */
export type ExpectedObject =
  | { kind: "list"; isNamed: boolean }
  /** `id` is the id of the request's path, where the path names one. */
  | { kind: "object"; name: string; id: string | undefined }
  /** The stream's answer is an object without fields. */
  | { kind: "empty" };

/** First segments of paths that are no collections themselves, as far as this service uses them. */
const namespaces = new Set(["billing", "billing_portal", "checkout", "core", "test_helpers"]);
const streamPath = "/v2/billing/meter_event_stream";

/**
 * Tells from a request which answer to expect, by the rule that all of Stripe's paths and objects follow: a collection
 * (`/v1/billing/meters`) holds objects of its singular name (`billing.meter`); a GET of it is a list, and so is a GET
 * of a path below one of its objects. Pure.
 */
export function expectedObject(method: string, path: string): ExpectedObject {
  const pathname = path.replace(/[?#].*$/s, "");
  if (pathname === streamPath) return { kind: "empty" };
  const [, version = "", ...segments] = pathname.split("/");
  const nameLength = namespaces.has(segments[0] ?? "") ? 2 : 1;
  const name = segments.slice(0, nameLength).join(".");
  const [id, below] = segments.slice(nameLength);
  const isCollection = name.endsWith("s") && id === undefined;
  if (method === "GET" && (isCollection || below !== undefined)) {
    return { kind: "list", isNamed: version === "v1" };
  }
  return {
    kind: "object",
    name: `${version === "v1" ? "" : `${version}.`}${name.replace(/s$/, "")}`,
    // `POST /v1/invoices/create_preview` names no invoice.
    id: method === "GET" && id !== undefined ? decodeURIComponent(id) : undefined,
  };
}
