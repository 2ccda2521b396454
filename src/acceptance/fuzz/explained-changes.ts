import type { Operation } from "../../testing/openapi/document.ts";
import type { Change } from "./change-ledger.ts";

/** A route's answer, and the changes that its request made. */
export type Outcome = {
  /** Undefined when the document has no such route. */
  operation: Operation | undefined;
  /** False for a token that the route does not take. */
  isAllowed: boolean;
  status: number;
  /** The answer's body. */
  text: string;
  changes: readonly Change[];
  /** The organization of the request's key. */
  organizationId: string;
};

/** Notes that an organization's active sensors are other ones now, for the count that follows. */
const sensorsChanged = ["sensor_changes INSERT", "sensor_changes UPDATE", "sensor_changes DELETE"] as const;

/** A billing period is kept as soon as a subscription tells it; one that another cuts short ends there. */
const periodTold = ["billing_periods INSERT", "billing_periods UPDATE", "billing_periods DELETE"] as const;

/** Every act of an operator is written down. */
const actedOn = "operator_actions INSERT" as const;

/** The changes that a route may make when it says yes; the others make none, and neither does a refusal. */
export const mayChange: Readonly<Record<string, readonly Change["what"][]>> = {
  postReadings: ["readings INSERT", "meter_outbox INSERT"],
  putSensor: ["sensors INSERT", "sensors UPDATE", ...sensorsChanged],
  registerSensors: ["sensors INSERT", "sensors UPDATE", ...sensorsChanged],
  createOrganization: [actedOn, "organizations INSERT"],
  updateOrganization: [actedOn, "organizations UPDATE", ...sensorsChanged],
  deleteSubscription: [actedOn, "subscriptions UPDATE", "customer_links UPDATE", ...sensorsChanged],
  putSubscription: [
    actedOn,
    ...sensorsChanged,
    ...periodTold,
    "subscriptions INSERT",
    "subscriptions UPDATE",
    "customer_organizations INSERT",
    "customer_links INSERT",
    "customer_links UPDATE",
    "job INSERT",
  ],
  createApiKey: [actedOn, "api_keys INSERT"],
  reconcile: [actedOn, "reconcile_requests INSERT", "job INSERT"],
  revokeApiKey: [actedOn, "api_keys UPDATE"],
  receiveStripeEvent: ["stripe_events INSERT", "job INSERT"],
  replayStripeEvent: [actedOn, "stripe_events UPDATE", "job INSERT"],
  dismissStripeEvent: [actedOn, "stripe_events UPDATE"],
  seal: [actedOn, "job INSERT"],
  pauseDelivery: [actedOn, "delivery_control INSERT", "delivery_control UPDATE"],
  resumeDelivery: [actedOn, "delivery_control INSERT", "delivery_control UPDATE"],
  retryMeterEvent: [actedOn, "meter_events UPDATE", "job INSERT"],
  retryMeterEvents: [actedOn, "meter_events UPDATE", "job INSERT"],
  resolveMeterEvents: [actedOn, "meter_events UPDATE", "meter_events INSERT", "job INSERT"],
  resolveMeterEvent: [actedOn, "meter_events UPDATE", "meter_events INSERT", "job INSERT"],
};

/** A sentence for each stored, changed or deleted row that the answer does not explain; none when it explains all. */
export function unexplainedChanges(outcome: Outcome): string[] {
  const { operation, isAllowed, status, changes, organizationId } = outcome;
  const allowed = isAllowed && status < 300 ? (mayChange[operation?.operationId ?? ""] ?? []) : [];
  const strange = changes.filter(({ what }) => !allowed.includes(what)).map(({ what }) => what);
  const ofOthers = changes.filter(
    (one) => operation?.token === "apiKey" && one.organizationId !== organizationId,
  );
  return [
    ...strange.map((what) => `${what} is unexplained`),
    ...ofOthers.map(({ what, organizationId: whose }) => `${what} of organization ${whose}`),
    ...(strange.length === 0 ? miscounted(outcome) : []),
  ];
}

/** Where the answer tells a number of new rows, there are exactly so many. */
function miscounted({ operation, isAllowed, status, text, changes }: Outcome): string[] {
  if (!isAllowed || status >= 300) return [];
  const told = Object.entries(countsTold[operation?.operationId ?? ""]?.(text, status) ?? {});
  return told.flatMap(([what, count]) => {
    const found = changes.filter((change) => change.what === what).length;
    return found === count ? [] : [`${found} times ${what}, and the answer tells of ${count}`];
  });
}

const countsTold: Record<string, (text: string, status: number) => Partial<Record<Change["what"], number>>> =
  {
    postReadings: (text) => {
      const accepted = acceptedOf(text);
      return { "readings INSERT": accepted, "meter_outbox INSERT": Math.min(accepted, 1) };
    },
    putSensor: (_text, status) => ({ "sensors INSERT": status === 201 ? 1 : 0 }),
    registerSensors: (text) => ({ "sensors INSERT": numberOf(text, "registered") }),
    createOrganization: () => ({ "organizations INSERT": 1 }),
    createApiKey: () => ({ "api_keys INSERT": 1 }),
  };

/** NDJSON is answered by a line for each reading, when that is asked for. */
function acceptedOf(text: string): number {
  const byLine = text.split("\n").filter((line) => line.endsWith('"status":"accepted"}')).length;
  return text.startsWith('{"accepted"') ? numberOf(text, "accepted") : byLine;
}

function numberOf(text: string, member: string): number {
  const body: unknown = JSON.parse(text);
  const found: unknown = typeof body === "object" && body !== null ? Reflect.get(body, member) : undefined;
  if (typeof found !== "number") throw new Error(`the answer does not tell ${member}: ${text.slice(0, 200)}`);
  return found;
}
