/** The result of a command. `document` is for machines; `text` says the same to people. */
export type Outcome =
  | { kind: "done"; document: unknown; text: string }
  /**
   * The command did its work and found something that an operator must look at: printed like a result, with exit code
   * 1.
   */
  | { kind: "alarming"; document: unknown; text: string }
  | { kind: "failed"; message: string }
  | { kind: "wrong_usage"; message: string };
