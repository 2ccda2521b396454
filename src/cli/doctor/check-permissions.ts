import type Stripe from "stripe";
import { isPermissionMissing } from "../../stripe/describe-stripe-error.ts";
import { type Finding, ok, problem } from "../../monitoring/checks/finding.ts";

const check = "permissions";

/** The smallest request for each resource that no other check asks for; as docs/security.md names them. */
const requests: readonly { resource: string; ask: (stripe: Stripe) => Promise<unknown>; without: string }[] =
  [
    {
      resource: "Subscriptions",
      ask: (stripe) => stripe.subscriptions.list({ limit: 1 }),
      without: "no customer's billing period is known",
    },
    { resource: "Prices", ask: (stripe) => stripe.prices.list({ limit: 1 }), without: "no period is closed" },
  ];

/** Whether the key may read what the workers read beside meters, customers, invoices and events. */
export async function checkPermissions(stripe: Stripe): Promise<Finding> {
  const missing: (typeof requests)[number][] = [];
  for (const request of requests) if (!(await isAllowed(() => request.ask(stripe)))) missing.push(request);
  if (missing.length === 0) return ok(check, "the key may read subscriptions and prices");
  return problem(
    check,
    missing.map(({ resource, without }) => `the key may not read ${resource}: ${without} without`).join("; "),
    "let it read them at Stripe: docs/security.md#a-stolen-stripe-key",
  );
}

async function isAllowed(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch (error) {
    if (isPermissionMissing(error)) return false;
    throw error;
  }
}
