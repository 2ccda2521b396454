import type Stripe from "stripe";
import { isPermissionMissing } from "../../stripe/describe-stripe-error.ts";
import { findWebhookEndpoints } from "../../stripe/find-webhook-endpoints.ts";
import { type Finding, ok, problem, unchecked } from "../../monitoring/checks/finding.ts";

const check = "webhook endpoint";
const path = "/webhooks/stripe";

/** Whether Stripe sends all used events to a webhook endpoint that can only be ours. */
export async function checkWebhookEndpoint(stripe: Stripe): Promise<Finding> {
  const endpoints = await listUnlessForbidden(stripe);
  if (endpoints === undefined) return unchecked(check, "the restricted key may not read webhook endpoints");
  const enabled = endpoints.filter(({ isEnabled }) => isEnabled);
  const complete = enabled.find(({ missingTypes }) => missingTypes.length === 0);
  if (complete !== undefined) return ok(check, complete.url);
  const [best] = enabled.toSorted((a, b) => a.missingTypes.length - b.missingTypes.length);
  if (best !== undefined) {
    return problem(
      check,
      `${best.url} does not get ${best.missingTypes.join(", ")}`,
      "add these types to it at Stripe",
    );
  }
  const [disabled] = endpoints;
  if (disabled !== undefined) {
    return problem(
      check,
      `${disabled.url} is disabled`,
      "enable it at Stripe, then `node dist/cli.js stripe replay`",
    );
  }
  return problem(check, `none leads to ${path}`, `create one at Stripe: https://<your API>${path}`);
}

async function listUnlessForbidden(stripe: Stripe) {
  try {
    return await findWebhookEndpoints(stripe, path);
  } catch (error) {
    if (isPermissionMissing(error)) return undefined;
    throw error;
  }
}
