import { sql } from "kysely";
import type { Db } from "../../database/db.ts";
import type { Simulator } from "../../simulator/create-simulator.ts";
import { findViolations } from "../../testing/rows/invariants.ts";

/** The simulator's records, in this process or in another one. */
export type Books = Pick<Simulator, "bill" | "meterEvents" | "requests" | "state">;

/** An organization from its gateway's side: the moments of the readings that were answered 200. */
export type Account = { organizationId: string; customer: string; acknowledged: readonly string[] };

/**
 * Compares the gateways' answers, the stored rows and the simulator's counts, once everything is delivered: a sentence
 * for each difference.
 */
export async function findLosses(
  { db, simulator, workersMax }: { db: Db; simulator: Books; workersMax: number },
  accounts: readonly Account[],
): Promise<string[]> {
  const bills = new Map(simulator.bill().map((line) => [`${line.customer} ${line.event_name}`, line.total]));
  const differences = await Promise.all(
    accounts.map(async ({ organizationId, customer, acknowledged }) => {
      const stored = await readMoments(db, organizationId);
      const billed = Number(bills.get(`${customer} temperature_readings`) ?? "0");
      return [
        ...compareMoments(customer, acknowledged, stored),
        ...(billed === stored.length ? [] : [`${customer} stored ${stored.length}, billed are ${billed}`]),
      ];
    }),
  );
  return [...(await findViolations(db)), ...findOffences(simulator, workersMax), ...differences.flat()];
}

async function readMoments(db: Db, organizationId: string): Promise<string[]> {
  const { rows } = await sql<{ recordedAt: Date }>`
    select recorded_at as "recordedAt" from metering.readings where organization_id = ${organizationId}
  `.execute(db);
  return rows.map(({ recordedAt }) => recordedAt.toISOString());
}

function compareMoments(customer: string, told: readonly string[], stored: readonly string[]): string[] {
  const isStored = new Set(stored);
  const isTold = new Set(told);
  const lost = told.filter((moment) => !isStored.has(moment));
  const extra = stored.filter((moment) => !isTold.has(moment));
  return [
    ...(lost.length === 0 ? [] : [`${customer} was told of ${lost.length} readings that are not stored`]),
    ...(extra.length === 0 ? [] : [`${customer} has ${extra.length} readings that it was never told of`]),
  ];
}

/**
 * Requests that break Stripe's rules. Two workers may each have a request for the same customer under way, which Stripe
 * refuses with a 409; one worker never has two.
 */
function findOffences(simulator: Books, workersMax: number): string[] {
  const { conflicting_identifiers: conflicts, max_in_flight: inFlight } = simulator.requests();
  const { double_counted: doubles, async_errors: asyncErrors } = simulator.state();
  return [
    ...conflicts.map(({ identifier, values }) => `${identifier} came with ${values.join(" and ")}`),
    ...inFlight
      .filter(({ max }) => max > workersMax)
      .map(({ customer, max }) => `${customer} had ${max} requests in flight at once`),
    ...(doubles === 0 ? [] : [`${doubles} were counted twice`]),
    ...(asyncErrors === 0 ? [] : [`${asyncErrors} were accepted and could not be counted`]),
  ];
}
