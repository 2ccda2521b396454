import { sql } from "kysely";
import type { Db } from "../database/db.ts";
import type { Window } from "./fold-window.ts";
import type { Result, SettlingReason } from "./judge-window.ts";
import type { Look } from "./looks.ts";
import { hourMs } from "./windows.ts";

/** A comparison's result in an answer: plain JSON. Times are RFC 3339, quantities decimal strings. */
export type ComparedWindows = { windows: ComparedWindow[]; reads: number };

export type ComparedWindow = {
  meter: string;
  stripe_customer_id: string;
  start: string;
  end: string;
  ours: string;
  doubtful: string;
  theirs: string;
  result: Result;
  reason: SettlingReason | null;
  read_at: string;
  /** Of an hour that is not equal: our events of it, 100 at most. */
  events?: WindowEvent[] | undefined;
};

type WindowEvent = {
  id: string;
  organization_id: string;
  state: string;
  reason: string | null;
  quantity: string;
  event_at: string;
  delivered_at: string | null;
  /** Stripe's own words, of an attempt or a report. */
  last_error: string | null;
  attempts: WindowAttempt[];
};

type WindowAttempt = {
  attempt: number;
  started_at: string;
  verdict: string;
  http_status: number | null;
  code: string | null;
  message: string | null;
  stripe_request_id: string | null;
};

const eventsMax = 100;

/** A look as it is answered; one at an hour or less that is not equal comes with our events. */
export async function renderLook(db: Db, look: Look): Promise<ComparedWindow> {
  const isHour = look.end.getTime() - look.start.getTime() <= hourMs;
  return {
    meter: look.meter,
    stripe_customer_id: look.customer,
    start: look.start.toISOString(),
    end: look.end.toISOString(),
    ours: look.ours,
    doubtful: look.doubtful,
    theirs: look.theirs,
    result: look.result,
    reason: look.reason,
    read_at: look.readAt.toISOString(),
    ...(isHour && look.result !== "equal" && { events: await listEvents(db, look) }),
  };
}

async function listEvents(db: Db, window: Window): Promise<WindowEvent[]> {
  const at = (column: string) =>
    sql`to_char(${sql.raw(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  const found = await sql<WindowEvent>`
    select
      m.id, m.organization_id, m.state, m.reason, m.quantity::text as quantity, ${at("m.event_at")} as event_at,
      ${at("m.delivered_at")} as delivered_at, m.last_error,
      coalesce(
        (
          select jsonb_agg(
            jsonb_build_object(
              'attempt', a.attempt, 'started_at', ${at("a.started_at")}, 'verdict', a.verdict,
              'http_status', a.http_status, 'code', a.code, 'message', a.message,
              'stripe_request_id', a.stripe_request_id
            )
            order by a.attempt
          )
          from metering.delivery_attempts a
          where a.organization_id = ${window.organizationId} and a.meter_event_id = m.id
        ),
        '[]'
      ) as attempts
    from metering.meter_events m
    where m.organization_id = ${window.organizationId} and m.meter = ${window.meter}
      and m.stripe_customer_id = ${window.customer}
      and m.hour >= date_trunc('hour', ${window.start}::timestamptz, 'UTC') and m.hour < ${window.end}::timestamptz
      and m.event_at >= ${window.start}::timestamptz and m.event_at < ${window.end}::timestamptz
    order by m.event_at, m.id
    limit ${eventsMax}
  `.execute(db);
  return found.rows;
}
