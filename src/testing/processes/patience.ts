/** Machines that others share are several times slower at times, and a cluster's nodes share theirs with all else. */
const timesMore = process.env["TEST_DATABASE_BACKEND"] === "citus" ? 5 : 3;

/** As long as a test may take or wait on this database: a multiple of what is enough on an idle machine, one Postgres. */
export function patienceMs(msOnIdleMachine: number): number {
  return timesMore * msOnIdleMachine;
}
