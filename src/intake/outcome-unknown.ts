/** The connection broke before Postgres answered: the readings may be stored or not. The cause says why. */
export class OutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super("the database went away before it answered", { cause });
    this.name = "OutcomeUnknown";
  }
}
