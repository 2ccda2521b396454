import { z } from "zod";
import { listActions, type RecordedAction } from "../../actions/list-actions.ts";
import type { ConsoleParts } from "../../api/console-parts.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { toPage } from "../../http/page.ts";
import type { ConsoleApp } from "../console-env.ts";
import { showPage } from "../layout/show-page.tsx";
import { type Column, DataTable, None } from "../parts/data-table.tsx";
import { inDigits } from "../parts/figures.ts";
import { NextPage } from "../parts/next-page.tsx";
import { When } from "../parts/when.tsx";

const pageRows = 50;
const cursorKey = z.tuple([z.uuid()]);

/** Adds the page of all that operators did, the latest first. */
export function mountActions(app: ConsoleApp, { db }: ConsoleParts): void {
  app.get("/actions", async (c) => {
    const before = decodeCursor(c.req.query("cursor"), cursorKey)?.[0];
    const rows = await listActions(db, { before, limit: pageRows + 1 });
    const { data, next_cursor: next } = toPage(rows, pageRows, ({ id }) => [id]);
    const page = (
      <>
        <h1>Actions</h1>
        {data.length === 0 ? <NoActions /> : <ActionTable actions={data} />}
        <NextPage path="/console/actions" query={{}} cursor={next} />
      </>
    );
    return showPage(c, { title: "Actions", place: "actions" }, page);
  });
}

function NoActions() {
  return (
    <p class="empty">
      Nobody has acted yet. What operators do here, by the API and by the command line is listed here, with
      who and why.
    </p>
  );
}

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
function ActionTable({ actions }: { actions: readonly RecordedAction[] }) {
  return (
    <DataTable caption="What operators did, the latest first" hidesCaption columns={columns} rows={actions} />
  );
}
