/** More is waiting to be stored than this process takes, or has waited too long: nothing of the request was stored. */
export class Overloaded extends Error {
  constructor() {
    super("more readings are waiting to be stored than this process takes");
    this.name = "Overloaded";
  }
}
