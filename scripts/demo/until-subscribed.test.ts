import { expect, test } from "vitest";
import type { SubscriptionShown } from "./operator-api.ts";
import { untilSubscribed } from "./until-subscribed.ts";

const link = { organizationId: "01a1fd9f-8459-7111-8a99-2db57b5d4006", stripeCustomerId: "cus_1" };

test("an organization is subscribed when its subscription is active, this customer's and the one that is named", async () => {
  const shown: (SubscriptionShown | null)[] = [
    null,
    { status: "incomplete", stripe_customer_id: "cus_1", stripe_subscription_id: "sub_2" },
    { status: "active", stripe_customer_id: "cus_of_others", stripe_subscription_id: "sub_2" },
    { status: "active", stripe_customer_id: "cus_1", stripe_subscription_id: "sub_1" },
    { status: "active", stripe_customer_id: "cus_1", stripe_subscription_id: "sub_2" },
  ];
  const readSubscription = async () => shown.shift() ?? null;

  await untilSubscribed(
    { api: { readSubscription }, signal: new AbortController().signal },
    { ...link, stripeSubscriptionId: "sub_2" },
  );

  expect(shown).toEqual([]);
});

test("the wait ends when the demo is stopped", async () => {
  const reason = new Error("stopped");
  const api = { readSubscription: async () => null };

  await expect(untilSubscribed({ api, signal: AbortSignal.abort(reason) }, link)).rejects.toThrow(
    expect.objectContaining({ name: "AbortError", cause: reason }),
  );
});
