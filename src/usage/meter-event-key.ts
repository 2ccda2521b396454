/** The primary key of a meter event. Its id alone names it at Stripe. */
export type MeterEventKey = { organizationId: string; meterEventId: string };
