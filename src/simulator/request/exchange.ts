import type { Struck } from "../faults/pick-faults.ts";
import type { Simulation } from "../state.ts";
import type { Route, StripeRequest } from "./route.ts";
import type { Touched } from "./touched.ts";

/** One request on its way through the simulator, with everything that is known about it. */
export type Exchange = {
  state: Simulation;
  route: Route;
  request: StripeRequest;
  touched: readonly Touched[];
  idempotencyKey: string | undefined;
  /** Tells requests with the same Idempotency-Key and different parameters apart. */
  fingerprint: string;
  struck: Struck;
  delayMs: number;
  isAbandoned: () => boolean;
};
