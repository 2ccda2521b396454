import type { Touched } from "./touched.ts";
import type { Simulation } from "../state.ts";
import type { Answer } from "./answer.ts";
import type { Form } from "./form.ts";

/** A request that was let in and read. */
export type StripeRequest = {
  requestId: string;
  idempotencyKey: string | undefined;
  apiKey: string;
  livemode: boolean;
  /** The concrete path, without the query. */
  path: string;
  /** The `:id` of the path; empty where the path has none. */
  id: string;
  /** The form body of a v1 POST, or the query. */
  form: Form;
  /** The JSON body of a v2 POST. */
  json: unknown;
  /** How often an accepted meter event counts: 1, or 2 under the fault `duplicate_processing`. */
  countTimes: number;
  /** Of the fault `refuse_later`: the events that are accepted now and found invalid afterwards. */
  refusedLater: LateRefusal | undefined;
};

/** Without a customer or meter, the events of all of them. */
type LateRefusal = { code: string; customer?: string | undefined; meter?: string | undefined };

/** One endpoint. `execute` never waits, so its reads and writes are one step. */
export type Route = {
  method: "GET" | "POST" | "DELETE";
  path: string;
  api: "v1" | "v2";
  execute: (state: Simulation, request: StripeRequest) => Answer;
  touches?: (state: Simulation, request: StripeRequest) => Touched[];
  /** Whether it takes meter events in; these have their own rate limit and faults. */
  takesEvents?: boolean;
  /** Whether only one request per customer and meter may be under way. */
  isSerialized?: boolean;
  /** Whether the bearer token is a session's rather than an API key. */
  needsSession?: boolean;
};
