import { z } from "zod";
import type { Simulation } from "../state.ts";
import { sendInOrder } from "./dispatch.ts";
import { sendDelivery, setState } from "./send.ts";
import { shuffled } from "./shuffled.ts";
import type { Delivery } from "./webhooks.ts";

/** Which held deliveries leave, and in which order. */
export const releaseSchema = z.strictObject({
  /** Only these events, in this order. */
  event_ids: z.array(z.string()).optional(),
  order: z.enum(["created", "reversed", "shuffled"]).default("created"),
  /** All at once, instead of one after the other. */
  concurrent: z.boolean().default(false),
});

export type ReleaseInput = z.input<typeof releaseSchema>;

/** Sends held deliveries; resolves after the first attempts. Whether new events are held does not change. */
export async function releaseHeld(
  state: Simulation,
  release: z.output<typeof releaseSchema>,
): Promise<{ released: number }> {
  const chosen = ordered(takeHeld(state, release.event_ids), release.order, state.random);
  for (const delivery of chosen) setState(delivery, "pending");
  if (release.concurrent) await Promise.all(chosen.map((delivery) => sendDelivery(state, delivery)));
  else await sendInOrder(state, chosen);
  return { released: chosen.length };
}

function takeHeld({ webhooks }: Simulation, eventIds: readonly string[] | undefined): Delivery[] {
  if (eventIds === undefined) return webhooks.held.splice(0);
  const chosen = eventIds.flatMap((id) => webhooks.held.filter(({ stored }) => stored.event.id === id));
  webhooks.held = webhooks.held.filter((delivery) => !chosen.includes(delivery));
  return chosen;
}

function ordered(
  deliveries: Delivery[],
  order: "created" | "reversed" | "shuffled",
  random: () => number,
): Delivery[] {
  switch (order) {
    case "created":
      return deliveries;
    case "reversed":
      return deliveries.toReversed();
    case "shuffled":
      return shuffled(deliveries, random);
  }
}
