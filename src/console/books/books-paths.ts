import { withQuery } from "../parts/next-page.tsx";

export const booksPath = "/console/books";

/** An organization's books: its periods, and where Stripe's sums are not ours. */
export function booksOf(organizationId: string): string {
  return `${booksPath}/${organizationId}`;
}

/** A billing period's statement. */
export function statementOf(organizationId: string, start: Date | string): string {
  const at = typeof start === "string" ? start : start.toISOString();
  return `/console/organizations/${organizationId}/statements/${encodeURIComponent(at)}`;
}

export type ShownWindow = {
  organizationId: string;
  customer: string;
  meter: string;
  start: Date | string;
  end: Date | string;
};

/** One window that was compared: its parts, or our meter events of it. */
export function windowOf({ organizationId, customer, meter, start, end }: ShownWindow): string {
  const [from, to] = [new Date(start).toISOString(), new Date(end).toISOString()];
  return withQuery(`${booksOf(organizationId)}/window`, { customer, meter, from, to });
}
