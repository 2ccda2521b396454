import type pg from "pg";
import { at, type Batch, columnsOf, keysOf } from "./columns.ts";
import { arrayLiteral } from "../database/array-literal.ts";
import type { Missed, StoredAs } from "./judge-stored.ts";
import { judgeEach } from "./store-readings.ts";

const accepted = { status: "accepted" } as const;

/** Postgres reads `now` as the moment at which the transaction began: so the coordinator's clock is every node's. */
const coordinatorsNow = "now";

/**
 * The same as `storeBatches` for organizations of one node of a cluster: a function that Citus runs on the node
 * (migrations/0137), which commits there by itself. Throws what pg throws, `changedMeanwhileCode` among it, after which all
 * is to be done again.
 */
export async function storeOnNode(
  client: pg.ClientBase,
  batches: readonly Batch[],
  { traceparent = null }: { traceparent?: string | null | undefined } = {},
): Promise<StoredAs[][]> {
  const { organizations, input } = columnsOf(batches);
  const places = [...organizations.keys()];
  const { rows } = await client.query<Missed | { index: null }>({
    name: "store_on_node",
    text: "select * from metering.store_readings($1, $2, $3, $4, $5, $6, $7, $8)",
    values: [
      at(places, 0),
      arrayLiteral(places),
      ...keysOf(input),
      arrayLiteral(input.temperature),
      coordinatorsNow,
      traceparent,
    ],
  });
  if (rows.length === 0) return batches.map(({ readings }) => readings.map(() => accepted));
  const missed = rows.filter((row) => row.index !== null);
  return judgeEach(batches, { organizations, input, missed });
}

/** A sensor came into use or an organization's rows moved while readings were stored. None was. */
export const changedMeanwhileCode = "MO001";
