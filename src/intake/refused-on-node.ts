import pg from "pg";

/** Faults of the rows, of rights or of the statement, which end a transaction before its commit, wherever it runs. */
const refusals = /^(?:22|23|42|P0|MO)/;
/** The node shuts down or its answer was lost. Citus names the node then, too, and can't tell whether it committed. */
const lostAnswers = /^(?:08|57P|XX)/;
/** What Citus adds to an error that a node answered with. */
const ofNode = "while executing command on";

/**
 * Whether an error of a function that commits on a node of a cluster by itself says for certain that nothing is stored.
 * The coordinator's own errors never do: it may have given up on an answer that was on its way.
 */
export function isRefusedOnNode(error: unknown): error is pg.DatabaseError {
  if (!(error instanceof pg.DatabaseError)) return false;
  const { code = "", where = "" } = error;
  return refusals.test(code) || (where.includes(ofNode) && code !== "" && !lostAnswers.test(code));
}
