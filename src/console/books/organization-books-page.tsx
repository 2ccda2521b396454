import type { Look } from "../../reconciliation/looks.ts";
import type { BookedPeriod } from "../../reconciliation/close/list-books.ts";
import { organizationsPath } from "../organizations/organizations-page.tsx";
import { NextPage, withQuery } from "../parts/next-page.tsx";
import { booksOf, booksPath } from "./books-paths.ts";
import { LookTable } from "./look-table.tsx";
import { PeriodTable } from "./period-table.tsx";

export type OrganizationBooks = {
  organizationId: string;
  name: string;
  /** Windows that are not equal now, the widest first. */
  looks: readonly Look[];
  hasMoreLooks: boolean;
  daysShown: number;
  periods: readonly BookedPeriod[];
  next: string | null;
  mayAct: boolean;
};

/** One organization's books: where Stripe's sums are not ours, down to the hour, and its billing periods. */
export function OrganizationBooksPage({ books }: { books: OrganizationBooks }) {
  const { organizationId, name, looks, hasMoreLooks, daysShown, periods, next, mayAct } = books;
  const path = booksOf(organizationId);
  return (
    <>
      <h1>Books of {name}</h1>
      <ul class="row">
        <li>
          <a class="button" href={`${organizationsPath}/${organizationId}`}>
            The organization
          </a>
        </li>
        {mayAct &&
          (["current", "last"] as const).map((period) => (
            <li>
              <a class="button" href={withQuery(`${path}/compare`, { period })}>
                Compare the {period === "current" ? "running" : "last"} period now
              </a>
            </li>
          ))}
      </ul>
      <section aria-label="Windows">
        <h2>Windows that are not equal</h2>
        {looks.length === 0 ? (
          <p class="calm-words">
            None: no comparison of the last {daysShown} days has found one, or none was made yet.
          </p>
        ) : (
          <LookTable looks={looks} caption="Windows that are not equal, the widest first" />
        )}
        {hasMoreLooks && <p class="small">Only these are shown; a window leads to those inside it.</p>}
      </section>
      <section aria-label="Periods">
        <h2>Periods</h2>
        {periods.length === 0 ? (
          <p class="empty">
            No billing period yet. The first begins when the organization is linked to a Stripe customer.
          </p>
        ) : (
          <PeriodTable periods={periods} names={false} />
        )}
        <NextPage path={path} query={{}} cursor={next} />
      </section>
      <p>
        <a href={booksPath}>All books</a>
      </p>
    </>
  );
}
