import type { Kysely, Transaction } from "kysely";
import type { DB } from "./schema.ts";

/** The database, or a transaction of it: what reads, and what writes alone, takes it. */
export type Db = Kysely<DB>;
/** An open transaction: what writes together with others takes it. */
export type Trx = Transaction<DB>;
