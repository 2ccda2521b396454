import { actAs, recordAction } from "../actions/operator-actions.ts";
import type { Trx } from "../database/db.ts";
import { linkByHand } from "../billing/put-subscription.ts";
import { renderSubscription } from "../api/organizations/subscription-answer.ts";
import { subscriptionBody, subscriptionOf } from "../api/organizations/subscription-route.ts";
import { unlinkOrganization } from "../billing/subscriptions.ts";
import type { CommandTools } from "./command-tools.ts";
import { noSuchOrganization, onOrganization } from "./organization-argument.ts";
import { readUninvoiced } from "../outbox/uninvoiced.ts";
import { describeUninvoiced } from "./describe-uninvoiced.ts";
import type { Outcome } from "./outcome.ts";
import { textFields } from "./text-table.ts";

export type LinkOptions = { status: string; subscription?: string; periodStart?: string; periodEnd?: string };

/** Sets who pays for an organization, by the rules and with the document of `PUT …/subscription`. */
export async function link(
  { db, operator, openBoss }: CommandTools,
  reference: string,
  { customer, status, subscription, periodStart, periodEnd }: LinkOptions & { customer: string },
): Promise<Outcome> {
  const parsed = subscriptionBody.safeParse({
    stripe_customer_id: customer,
    status,
    stripe_subscription_id: subscription,
    current_period_start: periodStart,
    current_period_end: periodEnd,
  });
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
    return { kind: "wrong_usage", message: inOptions(faults.join("; ")) };
  }
  return onOrganization(db, reference, async (id): Promise<Outcome> => {
    const alsoIn = (trx: Trx) =>
      recordAction(trx, operator, { action: "link_customer", organizationId: id, subject: customer });
    const put = await linkByHand({ db, boss: await openBoss(), alsoIn }, id, subscriptionOf(parsed.data));
    if (put.kind === "no_organization") return noSuchOrganization;
    if (put.kind === "customer_taken") {
      return { kind: "failed", message: `the customer is linked to organization ${put.organizationId}` };
    }
    const uninvoiced = await readUninvoiced(db, { organizationIds: [id] });
    const document = renderSubscription(put.subscription, uninvoiced);
    const { uninvoiced_usage: _, ...fields } = document;
    const text = textFields([...Object.entries(fields), ["on no invoice", describeUninvoiced(uninvoiced)]]);
    return { kind: "done", document, text };
  });
}

const optionOf: Record<string, string> = {
  stripe_customer_id: "customer",
  status: "--status",
  stripe_subscription_id: "--subscription",
  current_period_start: "--period-start",
  current_period_end: "--period-end",
};

/** Names the command's arguments and options in place of the members of the API's body. */
function inOptions(faults: string): string {
  return faults.replaceAll(/\b[a-z_]+\b/g, (word) => optionOf[word] ?? word);
}

/** Unlinks an organization, as `DELETE …/subscription` does. */
export function unlink(tools: CommandTools, reference: string): Promise<Outcome> {
  return onOrganization(tools.db, reference, async (id): Promise<Outcome> => {
    const isUnlinked = await actAs(
      tools,
      (trx) => unlinkOrganization(trx, id),
      (isDone) => (isDone ? { action: "unlink_customer", organizationId: id } : undefined),
    );
    if (!isUnlinked) return noSuchOrganization;
    return { kind: "done", document: { unlinked: true }, text: "unlinked" };
  });
}
