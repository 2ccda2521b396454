import { sql } from "kysely";

/** What a final invoice lacks is told for so long after its period was closed; Stripe takes usage for 35 days. */
const toldDays = 35;

/** Billing periods `p` whose final invoice lacks usage that no later period carries. */
export const lacksUsage = sql`
  p.not_billed is not null and p.closed_at > now() - make_interval(days => ${toldDays})
`;
