import { inSpan, type Tracer } from "../tracing/tracer.ts";

/** An id inside a path; with it every request would have a span name of its own. */
const idInPath = /(?<=\/)(?:cus|evt|mtr|sub|we)_[^/]+/g;

type Request = { method: string; host: string; port: string | number; path: string };
type Response = { status: number; headers: Record<string, string | string[]> };

/**
 * Records one span for one HTTP request to Stripe, until its answer is complete. The span has no query string, header
 * or body, and the request tells Stripe nothing of the trace.
 */
export async function traceRequest<R extends Response>(
  tracer: Tracer,
  { method, host, port, path }: Request,
  send: () => Promise<R>,
): Promise<R> {
  if (!tracer.isOn) return send();
  const template = path.replace(/\?.*$/, "").replaceAll(idInPath, "{id}");
  const attributes = {
    "http.request.method": method,
    "url.template": template,
    "server.address": host,
    "server.port": Number(port),
  };
  return inSpan(tracer, { name: `${method} ${template}`, kind: "client", attributes }, async (span) => {
    const response = await send();
    const { status } = response;
    const requestId = response.headers["request-id"];
    span.set({
      "http.response.status_code": status,
      "stripe.request_id": typeof requestId === "string" ? requestId : undefined,
    });
    if (status >= 400) span.fail(String(status));
    return response;
  });
}
