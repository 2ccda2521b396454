/**
 * An answer of the simulator. `executed` tells whether work had begun, which decides if an Idempotency-Key keeps it.
 */
export type Answer = {
  status: number;
  /** An object is sent as JSON, a string as an HTML page. */
  body: object | string;
  executed: boolean;
  headers?: Record<string, string>;
};

/** A plain success. */
export function ok(body: object): Answer {
  return { status: 200, body, executed: true };
}
