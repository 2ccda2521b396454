import { z } from "zod";
import { listActions } from "../../actions/list-actions.ts";
import type { ConsoleParts } from "../../api/console-parts.ts";
import { decodeCursor } from "../../http/cursor.ts";
import { toPage } from "../../http/page.ts";
import { readOrganizationNames } from "../../organizations/organization-names.ts";
import { ActionTable } from "./action-table.tsx";
import type { ConsoleApp } from "../console-env.ts";
import { showPage } from "../layout/show-page.tsx";
import { NextPage } from "../parts/next-page.tsx";

const pageRows = 50;
const cursorKey = z.tuple([z.uuid()]);

/** Adds the page of all that operators did, the latest first. */
export function mountActions(app: ConsoleApp, { db }: ConsoleParts): void {
  app.get("/actions", async (c) => {
    const before = decodeCursor(c.req.query("cursor"), cursorKey)?.[0];
    const rows = await listActions(db, { before, limit: pageRows + 1 });
    const { data, next_cursor: next } = toPage(rows, pageRows, ({ id }) => [id]);
    const names = await readOrganizationNames(
      db,
      data.flatMap(({ organizationId }) => organizationId ?? []),
    );
    const page = (
      <>
        <h1>Actions</h1>
        {data.length === 0 ? <NoActions /> : <ActionTable actions={data} names={names} />}
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
