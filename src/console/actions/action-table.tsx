import type { RecordedAction } from "../../actions/list-actions.ts";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { inDigits } from "../parts/figures.ts";
import { When } from "../parts/when.tsx";

const columns: Column<RecordedAction>[] = [
  { head: "When", cell: ({ actedAt }) => <When at={actedAt} /> },
  { head: "Who", cell: ({ operator, via }) => (operator === "" ? via : `${operator} (${via})`) },
  { head: "Did", cell: ({ action }) => action.replaceAll("_", " ") },
  {
    head: "To",
    kind: "mono",
    cell: ({ subject, organizationId }) => subject ?? organizationId ?? "the account",
  },
  { head: "Why", cell: ({ reason }) => reason ?? <None /> },
  {
    head: "Changed",
    kind: "figure",
    cell: ({ affected }) => (affected === null ? <None /> : inDigits(affected)),
  },
];

/** Who did what, to what, why, and how much it changed. */
export function ActionTable({ actions }: { actions: readonly RecordedAction[] }) {
  return (
    <DataTable caption="What operators did, the latest first" hidesCaption columns={columns} rows={actions} />
  );
}
