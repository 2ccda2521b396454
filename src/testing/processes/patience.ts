/** A cluster's nodes share the machine with the test and with what it starts. */
const timesMore = process.env["TEST_DATABASE_BACKEND"] === "citus" ? 3 : 1;

/** As long as a test may take or wait on this database. */
export function patienceMs(msOnOnePostgres: number): number {
  return timesMore * msOnOnePostgres;
}
