import { randomBytes } from "node:crypto";
import { makeApiKey } from "../../../src/http/api-key.ts";
import { ask } from "../site/site.ts";
import { type LoadPlan, readingsPerSender, type Sender, sensorName } from "./plan.ts";

/** Organizations with a key, sensors and a Stripe customer, and how far their readings have come. */
export type Fleet = {
  url: string;
  senders: Sender[];
  sensors: number;
  beginsAtMs: number;
  nextReading: number;
};

const keyBytes = 32;
const hourMs = 3_600_000;

/** Adds organizations straight to the tables. Their readings begin an hour ago. */
export async function addFleet(
  url: string,
  { organizations, sensors }: { organizations: number; sensors: number },
): Promise<Fleet> {
  const keys = Array.from({ length: organizations }, () => makeApiKey(randomBytes(keyBytes)));
  const added = await ask<{ id: string }>(
    url,
    `insert into metering.organizations (name) select 'Bench ' || n from generate_series(1, $1::int) n returning id`,
    [organizations],
  );
  const ids = added.map(({ id }) => id);
  await ask(
    url,
    `insert into metering.api_keys (organization_id, prefix, key_hash, scopes)
     select o, p, h, '{ingest,read}' from unnest($1::uuid[], $2::text[], $3::bytea[]) k (o, p, h)`,
    [ids, keys.map(({ prefix }) => prefix), keys.map(({ keyHash }) => keyHash)],
  );
  await ask(
    url,
    `insert into metering.customer_organizations (stripe_customer_id, organization_id)
     select 'cus_' || replace(o::text, '-', ''), o from unnest($1::uuid[]) o`,
    [ids],
  );
  await ask(
    url,
    `insert into metering.subscriptions (organization_id, stripe_customer_id, status)
     select o, 'cus_' || replace(o::text, '-', ''), 'active' from unnest($1::uuid[]) o`,
    [ids],
  );
  await ask(
    url,
    `insert into metering.sensors (organization_id, id) select o, s from unnest($1::uuid[]) o cross join unnest($2::text[]) s`,
    [ids, Array.from({ length: sensors }, (_, index) => sensorName(index))],
  );
  await ask(
    url,
    "analyze metering.organizations, metering.api_keys, metering.subscriptions, metering.sensors",
  );
  const senders = ids.map((organizationId, index) => ({ organizationId, key: keys[index]?.key ?? "" }));
  return { url, senders, sensors, beginsAtMs: Date.now() - hourMs, nextReading: 0 };
}

/** Plans that many requests with readings that the fleet has not sent yet. */
export function planLoad(
  fleet: Fleet,
  { requests, readingsPerRequest }: { requests: number; readingsPerRequest: number },
): LoadPlan {
  const { senders, sensors, beginsAtMs, nextReading: firstReading } = fleet;
  fleet.nextReading += readingsPerSender({ senders, requests, readingsPerRequest });
  // The next plan's readings begin at a millisecond of their own, so that those of each can be counted.
  fleet.nextReading = Math.ceil(fleet.nextReading / sensors) * sensors;
  return { senders, sensors, beginsAtMs, firstReading, requests, readingsPerRequest };
}

/** Throws unless every reading of the plan is stored, in `table`. */
export async function expectAllStored(
  url: string,
  plan: LoadPlan,
  table = "metering.readings",
): Promise<void> {
  const fromMs = plan.beginsAtMs + plan.firstReading / plan.sensors;
  const untilMs = fromMs + Math.ceil(readingsPerSender(plan) / plan.sensors);
  const [row] = await ask<{ stored: string }>(
    url,
    `select count(*) as stored from ${table}
     where organization_id = any($1::uuid[]) and recorded_at >= $2 and recorded_at < $3`,
    [plan.senders.map(({ organizationId }) => organizationId), new Date(fromMs), new Date(untilMs)],
  );
  const expected = plan.requests * plan.readingsPerRequest;
  if (Number(row?.stored) !== expected) {
    throw new Error(`${row?.stored} of ${expected} readings are stored in ${table}`);
  }
}
