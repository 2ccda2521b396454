import { modeOfKey } from "../stripe/key-mode.ts";
import { setUpMeters, type RefusedMeter } from "../stripe/set-up-meters.ts";
import { setUpPrices } from "../stripe/set-up-prices.ts";
import { type DestinationSetUp, setUpWebhooks } from "../stripe/set-up-webhooks.ts";
import type { CommandTools } from "./command-tools.ts";
import type { Outcome } from "./outcome.ts";
import { textTable } from "./text-table.ts";
import { type OurMeter, wantedMeters } from "./wanted-meters.ts";
import { parseWebhookUrl } from "./webhook-url.ts";

export type SetUpOptions = {
  /** The address that Stripe is to send its events to. */
  webhook?: string;
  prices?: true;
  /** `usd` unless told. */
  currency?: string;
  readingAmount?: string;
  sensorAmount?: string;
};

/** Prices of a sandbox, where no money is paid; for a live account a person says what usage costs. */
const sandboxAmounts = { temperature_readings: "0.02", active_sensors: "50" };

type Part = { document: Record<string, unknown>; text: string; isAlarming?: boolean };
type MeterPart = { meter: OurMeter["meter"]; event_name: string; stripe_meter_id: string; action: string };

/** Finds or makes at Stripe what the service needs: both meters, and the other parts that the options ask for. */
export async function setUpStripe(tools: CommandTools, options: SetUpOptions): Promise<Outcome> {
  const { config, openStripe } = tools;
  const isLive = modeOfKey(config.STRIPE_SECRET_KEY) === "live";
  const url = options.webhook === undefined ? undefined : parseWebhookUrl(options.webhook, { isLive });
  if (url?.kind === "refused") return { kind: "wrong_usage", message: `--webhook ${url.reason}` };
  const ofPrices = options.currency ?? options.readingAmount ?? options.sensorAmount;
  if (ofPrices !== undefined && options.prices === undefined) {
    return {
      kind: "wrong_usage",
      message: "--currency, --reading-amount and --sensor-amount are for --prices",
    };
  }
  const stripe = openStripe();
  const setUp = await setUpMeters(stripe, wantedMeters(config));
  if (setUp.kind === "refused") {
    return { kind: "failed", message: [...setUp.meters.map(refusal), "Nothing was changed."].join("\n") };
  }
  const meters = setUp.meters.map(({ wanted, meterId, action }) => ({
    meter: wanted.meter,
    event_name: wanted.eventName,
    stripe_meter_id: meterId,
    action,
  }));
  const parts: Part[] = [describeMeters(meters)];
  if (options.prices) {
    const prices = await preparePrices(stripe, meters, { ...options, isLive });
    if ("message" in prices) return { kind: "failed", message: prices.message };
    parts.push(prices);
  }
  if (url !== undefined) parts.push(describeDestinations(await setUpWebhooks(stripe, url.url)));
  return {
    kind: parts.some(({ isAlarming }) => isAlarming === true) ? "alarming" : "done",
    document: Object.fromEntries(parts.flatMap(({ document }) => Object.entries(document))),
    text: parts.map(({ text }) => text).join("\n\n"),
  };
}

function describeMeters(meters: MeterPart[]): Part {
  return {
    document: { meters },
    text: textTable(
      ["METER", "EVENT NAME", "STRIPE METER", "ACTION"],
      meters.map((one) => [one.meter, one.event_name, one.stripe_meter_id, one.action]),
    ),
  };
}

async function preparePrices(
  stripe: ReturnType<CommandTools["openStripe"]>,
  meters: readonly MeterPart[],
  { currency = "usd", readingAmount, sensorAmount, isLive }: SetUpOptions & { isLive: boolean },
): Promise<Part | { message: string }> {
  const given = { temperature_readings: readingAmount, active_sensors: sensorAmount };
  const wanted = meters.map(({ meter, stripe_meter_id: meterId }) => ({
    meter,
    meterId,
    nickname: meter.replaceAll("_", " "),
    currency,
    unitAmount: given[meter] ?? (isLive ? undefined : sandboxAmounts[meter]),
  }));
  const setUp = await setUpPrices(stripe, wanted);
  if (setUp.kind === "amount_missing") {
    const option = setUp.wanted.meter === "temperature_readings" ? "--reading-amount" : "--sensor-amount";
    const message = `say what usage costs: ${setUp.wanted.meter} has no price yet, and for a live key ${option} has to be given. No price was made.`;
    return { message };
  }
  const prices = setUp.prices.map(({ wanted: { meter }, priceId, action }) => ({
    meter,
    stripe_price_id: priceId,
    action,
  }));
  return {
    document: { prices },
    text: textTable(
      ["METER", "STRIPE PRICE", "ACTION"],
      prices.map((one) => [one.meter, one.stripe_price_id, one.action]),
    ),
  };
}

function describeDestinations(destinations: readonly DestinationSetUp[]): Part {
  const secrets = destinations.flatMap((one) => (one.action === "created" ? [one.secret] : []));
  const table = textTable(
    ["EVENTS", "STRIPE ID", "ACTION", "DETAIL"],
    destinations.map((one) => [one.payload, one.id, one.action, detailOf(one)]),
  );
  const told =
    secrets.length === 0
      ? "No secret is told: Stripe tells one only when it makes a destination. Its dashboard shows it."
      : `Told this once and never again. Add to STRIPE_WEBHOOK_SECRET of every API, comma-separated:\n${secrets.join(",")}`;
  return {
    document: { webhooks: destinations },
    text: `${table}\n\n${told}`,
    isAlarming: destinations.some(({ action }) => action === "refused"),
  };
}

function detailOf(destination: DestinationSetUp): string | null {
  switch (destination.action) {
    case "created":
    case "unchanged":
      return null;
    case "changed":
      return destination.changes.join("; ");
    case "refused":
      return destination.reason;
  }
}

function refusal({ wanted, meterId, faults }: RefusedMeter<OurMeter>): string {
  return (
    `the meter ${wanted.eventName} (${meterId}) cannot be used: ${faults.join(", ")}. Stripe lets nobody change ` +
    `that: set ${wanted.eventNameVariable} to another event name, for every process, run this again, and give the ` +
    "new meter to the prices."
  );
}
