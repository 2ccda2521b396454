import type pg from "pg";

/** A healthy connection is replaced after this long, too, so that a switchover is noticed in the end. */
const connectionLifeSecondsMax = 300;

/**
 * Each connection runs this before its first use. Commits are answered once they are on disk, whatever the server, the
 * database or the role is set to (`remote_apply` is stricter and stays). Our statements are not compiled: compiling the
 * first one costs more than all later ones gain. It is a statement because poolers refuse or drop startup options.
 */
const firstWords = `
  select
    set_config(
      'synchronous_commit',
      case current_setting('synchronous_commit') when 'remote_apply' then 'remote_apply' else 'on' end,
      false
    ),
    set_config('jit', 'off', false)
`;

/**
 * What a connection of the road says, too: where indexes serve, nothing is read whole, hashed, merged or sorted, for as
 * long as it lives.
 */
const byIndexWords = `,
    set_config('enable_seqscan', 'off', false),
    set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false),
    set_config('enable_sort', 'off', false)
`;

/** Options of every pool of connections in the service, pg-boss's included. */
export const newConnections = {
  maxLifetimeSeconds: connectionLifeSecondsMax,
  verify: (client, done) => {
    client.query(firstWords, done);
  },
} as const satisfies pg.PoolConfig;

/** The same for a pool whose statements begin with a bounded list of keys, or read the head of a queue. */
export const newConnectionsByIndex = {
  ...newConnections,
  verify: (client, done) => {
    client.query(firstWords + byIndexWords, done);
  },
} as const satisfies pg.PoolConfig;

/** The same for a pool whose statements give up a lock that they do not get in time. */
export function newConnectionsOfBriefWaits(lockWaitMsMax: number) {
  const briefWords = `, set_config('lock_timeout', '${lockWaitMsMax}', false)`;
  return {
    ...newConnections,
    verify: (client, done) => {
      client.query(firstWords + briefWords, done);
    },
  } as const satisfies pg.PoolConfig;
}
