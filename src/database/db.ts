import type { Kysely, Transaction } from "kysely";
import type { DB } from "./schema.ts";

/** The database or a transaction of it. A function that reads, or that writes alone, takes this. */
export type Db = Kysely<DB>;
/** An open transaction. A function that writes together with others takes this. */
export type Trx = Transaction<DB>;
