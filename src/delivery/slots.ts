export type Slots = {
  /** Runs `work` once one of the slots is free; waiting works run in the order of their calls. */
  run: <T>(work: () => Promise<T>) => Promise<T>;
};

/** Lets at most `count` works run at once. */
export function createSlots(count: number): Slots {
  const waiting: (() => void)[] = [];
  let free = count;

  async function take(): Promise<void> {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => void waiting.push(resolve));
  }

  function give(): void {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  }

  return {
    async run(work) {
      await take();
      try {
        return await work();
      } finally {
        give();
      }
    },
  };
}
