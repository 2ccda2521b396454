/** Where the demo's meter events go: a simulator of its own, or the Stripe sandbox of the key in the environment. */
export type StripeSide =
  | { kind: "simulator"; apiKey: string; apiBase: string }
  | { kind: "sandbox"; apiKey: string; apiBase: string };

const sandboxKeyPattern = /^sk_test_\w+$/;
const simulatorKey = "sk_test_simulator";
/** Stripe's own. */
const stripeApiBase = "https://api.stripe.com";
/** The simulator has no limit; a sandbox has one that the worker knows by itself. */
const simulatorEventsPerSecond = 1_000;

/** The sandbox of a test key, or undefined where there is none. A live key is never used. */
export function findSandbox(secretKey: string | undefined): StripeSide | undefined {
  if (secretKey === undefined || !sandboxKeyPattern.test(secretKey)) return undefined;
  return { kind: "sandbox", apiKey: secretKey, apiBase: stripeApiBase };
}

/** A simulator that listens at `url`, which takes any test key. */
export function simulatorAt(url: string): StripeSide {
  return { kind: "simulator", apiKey: simulatorKey, apiBase: url };
}

/** The worker's variables for sending to this side. */
export function stripeVariables({ kind, apiKey, apiBase }: StripeSide): Record<string, string> {
  const variables = { STRIPE_SECRET_KEY: apiKey, STRIPE_API_BASE: apiBase };
  return kind === "sandbox"
    ? variables
    : { ...variables, STRIPE_MAX_EVENTS_PER_SECOND: String(simulatorEventsPerSecond) };
}
