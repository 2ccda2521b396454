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

/** What a connection whose plans are kept says, too: a plan fits whatever its parameters are, from its first use. */
const keptPlanWords = `,
    set_config('plan_cache_mode', 'force_generic_plan', false)
`;

/** Options of every pool of connections in the service, pg-boss's included. */
export const newConnections = { maxLifetimeSeconds: connectionLifeSecondsMax, verify: say(firstWords) };

/** The same for a pool whose statements begin with a bounded list of keys, or read the head of a queue. */
export const newConnectionsByIndex = { ...newConnections, verify: say(firstWords + byIndexWords) };

/** The same for one that keeps its plans (`keepPlans`). */
export const newConnectionsOfKeptPlans = {
  ...newConnections,
  verify: say(firstWords + byIndexWords + keptPlanWords),
};

function say(words: string): NonNullable<pg.PoolConfig["verify"]> {
  return (client, done) => {
    client.query(words, done);
  };
}
