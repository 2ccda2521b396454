import { sql } from "kysely";

/** Usage on no invoice is told for so long after its period was closed; Stripe takes usage for 35 days. */
const toldDays = 35;

/** Billing periods `p` that have usage on no invoice, and no later period carries it; without an invoice while they are looked at. */
export const lacksUsage = sql`
  p.not_billed is not null and (
    p.closed_at > now() - make_interval(days => ${toldDays})
    or (p.closed_at is null and coalesce(p.next_look_at < '9000-01-01', true))
  )
`;
