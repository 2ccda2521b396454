/** Too many readings wait to be stored, or this request waited too long: nothing of the request was stored. */
export class Overloaded extends Error {
  constructor() {
    super("more readings are waiting to be stored than this process takes");
    this.name = "Overloaded";
  }
}
