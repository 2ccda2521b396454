type Undo = () => Promise<void>;

export type Teardown = {
  /** Remembers how to undo what was just done. */
  add: (undo: Undo) => void;
  /** Undoes everything, the latest first, one after the other, past failures. Throws the first of those at the end. */
  run: () => Promise<void>;
};

/** Collects everything that has to be stopped or removed again, at whatever step the start was interrupted. */
export function createTeardown(): Teardown {
  const undos: Undo[] = [];
  return {
    add: (undo) => void undos.push(undo),
    run: async () => {
      const failures: unknown[] = [];
      for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
        await undo().catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}
