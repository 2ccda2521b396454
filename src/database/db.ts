import type { Kysely, Transaction } from "kysely";
import type { DB } from "./schema.ts";
import type { Shards } from "./shards.ts";

/**
 * The database or a transaction of it. A function that reads, or that writes alone, takes this. Where it `plansByIndex`,
 * every connection was told so when it opened (`openDatabase`), and no statement has to be told again. Its `shards` are
 * remembered as long as it is open.
 */
export type Db = Kysely<DB> & { readonly plansByIndex?: true; readonly shards?: Shards };
/** An open transaction. A function that writes together with others takes this. */
export type Trx = Transaction<DB>;
