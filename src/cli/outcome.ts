/** What a command came to. `document` is for machines; `text` says the same to people. */
export type Outcome =
  | { kind: "done"; document: unknown; text: string }
  /** It did its work, and what it found needs somebody: told like a result, with exit code 1. */
  | { kind: "alarming"; document: unknown; text: string }
  | { kind: "failed"; message: string }
  | { kind: "wrong_usage"; message: string };
