import type { Result, SettlingReason } from "../../reconciliation/judge-window.ts";
import { subtractQuantity } from "../../usage/quantity.ts";
import { type Column, DataTable } from "../parts/data-table.tsx";
import { decimalInDigits } from "../parts/figures.ts";
import { StateBadge } from "../parts/state-badge.tsx";
import { Between, When } from "../parts/when.tsx";
import { MeterOfCustomer } from "./meter-of-customer.tsx";
import { type ShownWindow, windowOf } from "./books-paths.ts";

/** A window that was compared, whatever told it: a stored look, or an answer. */
export type ShownLook = ShownWindow & {
  ours: string;
  doubtful: string;
  theirs: string;
  result: Result;
  reason: SettlingReason | null;
  readAt: Date | string;
};

/** Windows that were compared, each with a way into it. */
export function LookTable({ looks, caption }: { looks: readonly ShownLook[]; caption: string }) {
  return <DataTable caption={caption} hidesCaption columns={columns} rows={looks} />;
}

/** What a look that settles nothing waits for, in words. */
export const settlingWords: Record<SettlingReason, string> = {
  moved: "our rows changed while Stripe was asked",
  young: "delivered or attempted a moment ago",
  open: "an attempt has not told its outcome",
  in_doubt: "a meter event of it is in doubt",
  first_look: "Stripe has less, seen once",
};

const columns: Column<ShownLook>[] = [
  {
    head: "Window (UTC)",
    kind: "name",
    cell: (look) => (
      <a href={windowOf(look)}>
        <Between from={look.start} to={look.end} />
      </a>
    ),
  },
  {
    head: "Result",
    cell: ({ result, reason }) => (
      <>
        <StateBadge state={result} />
        {reason !== null && <p class="small">{settlingWords[reason]}</p>}
      </>
    ),
  },
  { head: "Of", cell: (look) => <MeterOfCustomer of={look} /> },
  { head: "Ours", kind: "figure", cell: ({ ours }) => decimalInDigits(ours) },
  { head: "Doubtful", kind: "figure", cell: ({ doubtful }) => decimalInDigits(doubtful) },
  { head: "Stripe's", kind: "figure", cell: ({ theirs }) => decimalInDigits(theirs) },
  {
    head: "Difference",
    kind: "figure",
    cell: ({ ours, theirs }) => decimalInDigits(subtractQuantity(ours, theirs)),
  },
  { head: "Read", cell: ({ readAt }) => <When at={readAt} /> },
];
