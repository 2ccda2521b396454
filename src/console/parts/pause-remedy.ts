/** What an operator does about each pause that the circuit breaker makes. */
const remedies: Record<string, string> = {
  unauthorized:
    "Stripe refuses the key: it was revoked, or is of another account. Give the workers a Stripe key that works (STRIPE_SECRET_KEY) and restart them.",
  forbidden:
    "The key may not send meter events. Give it that right at Stripe, or the workers another key (STRIPE_SECRET_KEY).",
  meter_unavailable:
    "The meter is missing at Stripe, or inactive: stripe setup of the command line makes or reactivates it.",
  stripe_unavailable:
    "Stripe does not answer, or says that it cannot. Nothing is lost: usage waits, and delivery goes on by itself when a probe succeeds.",
};

/** The first step about a pause; undefined for an operator's, whose reason says it. */
export function remedyOfPause(reason: string): string | undefined {
  return Object.hasOwn(remedies, reason) ? remedies[reason] : undefined;
}
