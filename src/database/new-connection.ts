import type pg from "pg";
import { Connection, refuseConnection } from "./connection.ts";

/** A healthy connection is replaced after this long, too, so that a switchover is noticed in the end. */
const connectionLifeSecondsMax = 300;

/** A transaction left open holds back vacuum for every table. */
const idleInTransactionMsMax = 15_000;

/**
 * Times and numbers are written as the driver reads them, and each lasts as long as UTC says; each statement sees what was
 * committed before it; literals mean what they mean here. On a cluster's nodes they do where the nodes' own sessions are set
 * so, too: `migrate` does that.
 */
export const meanings: Record<string, string> = {
  TimeZone: "UTC",
  DateStyle: "ISO",
  IntervalStyle: "postgres",
  extra_float_digits: "1",
  default_transaction_isolation: "read committed",
  standard_conforming_strings: "on",
  array_nulls: "on",
  transform_null_equals: "off",
};

/**
 * What each connection is set to before its first use, whatever the server, the database or the role is set to. Names mean
 * what they mean here, and policies that would hide rows fail a statement in place of that. Our statements are not compiled:
 * compiling the first one costs more than all later ones gain. A lock is awaited as long as the statement may take, and the
 * pool alone ends idle connections.
 */
const everyConnection: Record<string, string> = {
  ...meanings,
  search_path: "pg_catalog, pg_temp",
  row_security: "off",
  jit: "off",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: String(idleInTransactionMsMax),
  idle_session_timeout: "0",
};

/** Where indexes serve, a connection of the road reads nothing whole, hashed, merged or sorted, for as long as it lives. */
const byIndex: Record<string, string> = {
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  enable_sort: "off",
};

type Options = {
  /** 0: no limit. Without it, that of the server, the database or the role. */
  statementTimeoutMs?: number;
  lockWaitMsMax?: number | undefined;
  plansByIndex?: boolean;
};

/** Options of every pool of connections in the service, pg-boss's included. */
export function newConnections({ statementTimeoutMs, lockWaitMsMax, plansByIndex = false }: Options = {}) {
  const settings = {
    ...everyConnection,
    ...(plansByIndex && byIndex),
    ...(statementTimeoutMs !== undefined && { statement_timeout: String(statementTimeoutMs) }),
    ...(lockWaitMsMax !== undefined && { lock_timeout: String(lockWaitMsMax) }),
  };
  const text = firstWords(settings, { isUnlimited: statementTimeoutMs === 0 });
  return {
    Client: Connection,
    maxLifetimeSeconds: connectionLifeSecondsMax,
    verify: (client, done) => {
      // Without a listener, a connection that breaks in use would end the process, although its query rejects too. The pool's
      // own listens while the connection is idle.
      client.on("error", () => {});
      client.query<FirstAnswer>(text, (error, answer) => {
        done(error ?? triggersFault(answer.rows[0]));
      });
    },
  } as const satisfies pg.PoolConfig;
}

type FirstAnswer = { replicationRole: string };

/**
 * Only a superuser may set it back, so a session whose triggers are off is not used: they refuse wrong changes and note which
 * customer pays.
 */
function triggersFault(answer: FirstAnswer | undefined): Error | undefined {
  if (answer?.replicationRole !== "replica") return undefined;
  return refuseConnection(
    "session_replication_role is replica, so that no trigger runs: take it back for the server, the database or the role",
  );
}

/**
 * A statement, because poolers refuse or drop startup options. Commits are answered once they are on disk; `remote_apply` is
 * stricter and stays. Postgres has `transaction_timeout` from version 17 on.
 */
function firstWords(settings: Record<string, string>, { isUnlimited }: { isUnlimited: boolean }): string {
  return `
    select
      current_setting('session_replication_role') as "replicationRole",
      set_config(
        'synchronous_commit',
        case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end,
        false
      ),
      ${Object.entries(settings)
        .map(([name, value]) => `set_config('${name}', '${value}', false)`)
        .join(",\n      ")}
      ${isUnlimited ? ", (select set_config(name, '0', false) from pg_settings where name = 'transaction_timeout')" : ""}
  `;
}
