import type { RecordedAction } from "../../actions/list-actions.ts";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { inDigits } from "../parts/figures.ts";
import { When } from "../parts/when.tsx";

type ActionTableProps = {
  actions: readonly RecordedAction[];
  /** The names of their organizations; left out where all are of the organization that the page is about. */
  names?: ReadonlyMap<string, string>;
};

/** Who did what, to what, why, and how much it changed. */
export function ActionTable({ actions, names }: ActionTableProps) {
  return (
    <DataTable
      caption="What operators did, the latest first"
      hidesCaption
      columns={columnsOf(names)}
      rows={actions}
    />
  );
}

function columnsOf(names: ActionTableProps["names"]): Column<RecordedAction>[] {
  return [
    { head: "When", cell: ({ actedAt }) => <When at={actedAt} /> },
    { head: "Who", cell: ({ operator, via }) => (operator === "" ? via : `${operator} (${via})`) },
    { head: "Did", cell: ({ action }) => action.replaceAll("_", " ") },
    {
      head: "To",
      kind: "mono",
      cell: (action) =>
        names === undefined ? subjectOf(action) : <Concerned action={action} names={names} />,
    },
    { head: "Why", cell: ({ reason }) => reason ?? <None /> },
    {
      head: "Changed",
      kind: "figure",
      cell: ({ affected }) => (affected === null ? <None /> : inDigits(affected)),
    },
  ];
}

function subjectOf({ subject, organizationId }: RecordedAction): string {
  return subject ?? organizationId ?? "the account";
}

/** What was changed, and whose it is: "all rejected" of one organization are not those of all. */
function Concerned({ action, names }: { action: RecordedAction; names: ReadonlyMap<string, string> }) {
  const { organizationId } = action;
  return (
    <>
      {subjectOf(action)}
      {organizationId !== null && (
        <p class="small">
          <a href={`/console/organizations/${organizationId}`}>
            {names.get(organizationId) ?? organizationId}
          </a>
        </p>
      )}
    </>
  );
}
