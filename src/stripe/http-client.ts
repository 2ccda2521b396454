import Stripe from "stripe";
import { createExchange, type ExchangeOptions, type ReceivedHeaders } from "./exchange.ts";
import type { Pace } from "./pace-reads.ts";

export type HttpClient = NonNullable<Stripe.StripeConfig["httpClient"]>;

/**
 * How the SDK's requests travel. The SDK sends again only what fails with the codes that `createExchange` takes away.
 *
 * It is shown only answers of Stripe's own: it looks for an `error` in the body and never at the status, and a body
 * that is no object ends the process in its hands. Every other answer is thrown as a `ForeignAnswer`, which the SDK hands
 * on as the detail of a connection error. With a `pace` each GET waits for its turn, before its deadline begins.
 */
export function createHttpClient(options: ExchangeOptions, pace?: Pace): HttpClient {
  const exchange = createExchange(options);
  const client = new Stripe.HttpClient();
  client.getClientName = () => "undici";
  client.makeRequest = async (host, port, path, method, headers, body, protocol) => {
    if (method === "GET") await pace?.(path);
    const answer = await exchange({ protocol, host, port, path, method, headers, body });
    return new JudgedAnswer(answer.status, answer.headers, answer.body);
  };
  return client;
}

/** A complete answer of Stripe's. */
class JudgedAnswer extends Stripe.HttpClientResponse {
  readonly #body: object;
  /** The SDK returns this as `lastResponse`, with the status and the ids that it adds. */
  readonly #raw: { headers: ReceivedHeaders };

  constructor(status: number, headers: ReceivedHeaders, body: object) {
    super(status, headers);
    this.#body = body;
    this.#raw = { headers };
  }

  override getRawResponse(): unknown {
    return this.#raw;
  }

  override async toJSON(): Promise<unknown> {
    return this.#body;
  }
}
