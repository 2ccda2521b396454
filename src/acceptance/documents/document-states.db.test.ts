import { sql } from "kysely";
import { expect } from "vitest";
import type { Db } from "../../database/db.ts";
import { meterEventStates } from "../../delivery/meter-event-states.ts";
import { databaseTest as test } from "../../testing/postgres/database-fixture.ts";
import { readFences, readTableRows } from "./markdown.ts";
import { readDocument } from "./read-document.ts";
import { addMeterEvent, readMeterEvent } from "../../testing/rows/meter-events.ts";

const document = await readDocument("docs/concepts.md");
const rows = readTableRows(document, "from").map(({ from = "", to = "", who = "" }) => ({
  change: `${nameIn(from)} --> ${nameIn(to)}`,
  isDone: who !== "no program yet",
}));

test("docs/concepts.md lists the changes of state that the database accepts, and no other", async ({
  database: { db },
}) => {
  const accepted: string[] = [];
  for (const from of meterEventStates) {
    for (const to of meterEventStates.filter((state) => state !== from)) {
      if (await isAccepted(db, from, to)) accepted.push(`${from} --> ${to}`);
    }
  }
  expect(rows.map(({ change }) => change).toSorted()).toEqual(accepted.toSorted());
});

test("the diagram of docs/concepts.md shows the changes that a program or an operator makes", () => {
  const diagram = readFences(document).find(({ language }) => language === "mermaid")?.text ?? "";
  const drawn = [...diagram.matchAll(/^ +(\w+ --> \w+):/gm)].map(([, change = ""]) => change);
  const done = rows.filter(({ isDone }) => isDone).map(({ change }) => change);
  expect(drawn.toSorted()).toEqual(done.toSorted());
});

async function isAccepted(db: Db, from: string, to: string): Promise<boolean> {
  // Delivered usage that a report of Stripe's covers may turn out to be counted in part.
  const covered = from === "delivered" && { reconcile_since: new Date() };
  const key = await addMeterEvent(db, { state: from, ...covered });
  try {
    await sql`update metering.meter_events set state = ${to} where id = ${key.meterEventId}`.execute(db);
  } catch (error) {
    if (!String(error).includes(`cannot go from ${from} to ${to}`)) throw error;
  }
  return (await readMeterEvent(db, key)).state === to;
}

function nameIn(cell: string): string {
  return cell.replaceAll("`", "");
}
