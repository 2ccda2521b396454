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

/** Raised by `metering.hold_shards` where no shard of its organizations is on the server that runs it. */
const elsewhereCode = "57P03";
const holdShards = "metering.hold_shards(";

/**
 * Whether the coordinator ran the function by itself in place of the node, which stores nothing: so it does while it does not
 * trust its nodes' metadata, and in a session in which the extension has failed before.
 */
export function wasNodeNotAsked(error: unknown): error is pg.DatabaseError {
  return (
    error instanceof pg.DatabaseError &&
    error.code === elsewhereCode &&
    error.where?.includes(holdShards) === true
  );
}
