/** Permission to use the stream for 15 minutes; the stream acts in the name of the key that opened it. */
export type Session = { apiKey: string; livemode: boolean; expiresAtMs: number };
