import type pg from "pg";

/** A connection is replaced after this long even if nothing is wrong, so that no switchover goes unnoticed for ever. */
export const connectionLifeSecondsMax = 300;

/**
 * What every connection says before its first use: that a commit is answered once it is on disk, whatever the server's,
 * the database's or the role's settings are (`remote_apply`, which is more, stays), and that no statement of ours is
 * compiled, which costs the first more than all of them gain. A statement rather than startup options, which poolers
 * refuse or drop.
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

/** Options of every pool of connections in the service, pg-boss's too. */
export const newConnections = {
  maxLifetimeSeconds: connectionLifeSecondsMax,
  verify: (client, done) => {
    client.query(firstWords, done);
  },
} as const satisfies pg.PoolConfig;
