import Stripe from "stripe";
import { createStripeOn, type StripeOptions } from "./client.ts";

/** What each request has of its own. */
const ofOneRequest = new Set(["content-length", "idempotency-key"]);

/**
 * The headers, as names and values, that the SDK gives each POST to this path of Stripe's. Nothing is sent. Throws what the
 * SDK throws where it would send nothing.
 */
export async function recordHeaders(options: StripeOptions, path: string): Promise<[string, string][]> {
  let recorded: object | undefined;
  const recorder = new Stripe.HttpClient();
  recorder.getClientName = () => "undici";
  recorder.makeRequest = (_host, _port, _path, _method, headers) => {
    recorded = headers;
    return Promise.reject(new Error("only its headers were asked for"));
  };
  await createStripeOn(recorder, options)
    .rawRequest("POST", path, {})
    .catch((error: unknown) => {
      if (recorded === undefined) throw error;
    });
  if (recorded === undefined) throw new Error("the Stripe package made no request");
  return Object.entries(recorded)
    .filter(([name]) => !ofOneRequest.has(name.toLowerCase()))
    .map(([name, value]) => [name, String(value)]);
}
