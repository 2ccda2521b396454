/**
 * How usage reaches Stripe: a request for each meter event, or many in one of the stream. `none` is shadow mode: all is
 * counted, sealed and compared with what another path sent, and nothing is sent.
 */
export const transports = ["sync", "stream", "none"] as const;

export type Transport = (typeof transports)[number];
