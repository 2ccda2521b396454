import type { Books } from "../../reconciliation/close/gate-rules.ts";
import { StateBadge } from "../parts/state-badge.tsx";

/** What the books of a period are called on the pages; a period that runs is `open`, and so are books with open usage. */
const shown: Record<Books, string> = {
  equal: "equal",
  settling: "settling",
  open: "on_its_way",
  unknown: "not_comparable",
  different: "different",
};

/** What the last look at a period's books found; null: none was needed yet. */
export function BooksBadge({ books }: { books: Books | null }) {
  return <StateBadge state={books === null ? "not_yet" : shown[books]} />;
}
