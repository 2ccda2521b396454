import { type RawBuilder, sql } from "kysely";
import type { Db } from "../database/db.ts";
import { byIndex } from "../database/one-plan.ts";
import { storableText } from "../database/storable.ts";
import type { OperatorAction } from "../actions/operator-actions.ts";
import type { MeterEventState } from "./meter-event-states.ts";

const subjectCharsMax = 255;

/** Which meter events a list shows and an action concerns: those that are all of this. */
export type MeterEventMatch = {
  state?: MeterEventState | undefined;
  organizationId?: string | undefined;
  meter?: string | undefined;
  /** Only among these. */
  ids?: readonly string[] | undefined;
  /** Half-open: usage of hours from the first on, and before the second. */
  hourFrom?: Date | undefined;
  hourTo?: Date | undefined;
  /** In its reason or in Stripe's words, in any case; looks at those only that are not plainly delivered. */
  words?: string | undefined;
};

/** The condition on `metering.meter_events`, for a `where`. */
export function matching(match: MeterEventMatch): RawBuilder<boolean> {
  const { state, organizationId, meter, ids, hourFrom, hourTo, words } = match;
  return sql<boolean>`true
    ${state === undefined ? sql`` : sql`and state = ${state}`}
    ${organizationId === undefined ? sql`` : sql`and organization_id = ${organizationId}`}
    ${meter === undefined ? sql`` : sql`and meter = ${meter}`}
    ${ids === undefined ? sql`` : sql`and id = any(${ids}::uuid[])`}
    ${hourFrom === undefined ? sql`` : sql`and hour >= ${hourFrom} and id >= ${lowestIdAt(hourFrom)}::uuid`}
    ${hourTo === undefined ? sql`` : sql`and hour < ${hourTo}`}
    ${words === undefined ? sql`` : saying(storableText(words))}
  `;
}

/**
 * The lowest id (a UUID of version 7, as RFC 9562 says) that an event has which was sealed at this time or later. No usage is
 * sealed before its hour begins, so that the index of ids is read from there on. It is made here, since `metering.uuid_v7` is
 * volatile and bounds no index.
 */
function lowestIdAt(time: Date): string {
  const ms = Math.max(time.getTime(), 0).toString(16).padStart(12, "0");
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7000-0000-000000000000`;
}

function saying(words: string) {
  return sql`
    and state <> 'delivered'
    and position(lower(${words}) in lower(concat_ws(' ', reason, replace(reason, '_', ' '), last_error))) > 0
  `;
}

/**
 * Meter events that say these words and are `meant`, as a row source. All that are not plainly delivered are read by their two
 * indexes, and none of the delivered ones, which the planner would walk through for a page in the order of ids.
 */
export function eventsSaying(words: string, meant: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(
    select * from metering.meter_events where state = 'pending' and ${meant} ${saying(storableText(words))}
    union all
    select * from metering.meter_events
    where state in ('in_doubt', 'rejected', 'expired', 'superseded') and ${meant} ${saying(storableText(words))}
    offset 0
  )`;
}

export type Matched = {
  count: number;
  quantity: number;
  /** More match than were counted: both figures are at least those. */
  isMore: boolean;
};

/** More are not counted, so that the question before an action on all comes at once however many wait. */
const countedMax = 20_000;

/** How many match, and how much usage they hold; counted up to a bound. */
export async function countMeterEvents(
  db: Db,
  match: MeterEventMatch,
  { max = countedMax }: { max?: number } = {},
): Promise<Matched> {
  const counted = await byIndex(db, (trx) =>
    sql<Omit<Matched, "isMore">>`
      select count(*)::float8 as count, coalesce(sum(quantity), 0)::float8 as quantity
      from (select quantity from metering.meter_events where ${matching(match)} limit ${max + 1}) matched
    `.execute(trx),
  );
  const { count, quantity } = counted.rows[0] ?? { count: 0, quantity: 0 };
  return { count: Math.min(count, max), quantity, isMore: count > max };
}

/** The ids of those that match, the oldest first. */
export async function chooseMeterEvents(db: Db, match: MeterEventMatch, limit: number): Promise<string[]> {
  const chosen = await sql<{ id: string }>`
    select id from metering.meter_events where ${matching(match)} order by id limit ${limit}
  `.execute(db);
  return chosen.rows.map(({ id }) => id);
}

/** An action on all that match, as it is written down: what it concerned is told in words. */
export function actionOnAll(
  action: "retry_meter_events" | "resolve_meter_event",
  match: MeterEventMatch,
  done: { affected: number; reason?: string },
): OperatorAction {
  return { action, organizationId: match.organizationId, subject: describeMatch(match), ...done };
}

function describeMatch({ state, meter, hourFrom, hourTo, words }: MeterEventMatch): string {
  const parts = [
    `all ${state?.replaceAll("_", " ")}`,
    meter && `of ${meter}`,
    hourFrom && `from ${hourFrom.toISOString()}`,
    hourTo && `to ${hourTo.toISOString()}`,
    words && `saying ${words}`,
  ];
  return storableText(parts.filter((part) => part !== undefined && part !== "").join(" ")).slice(
    0,
    subjectCharsMax,
  );
}
