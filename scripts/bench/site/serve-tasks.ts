/**
 * The tasks of a runner: each takes one input, whose type only the caller knows, and answers once. Both must survive a
 * structured clone.
 */
export type Tasks = Record<string, (input: never) => Promise<unknown>>;

export type Question = { id: number; name: string; input: unknown };
export type Answer = { id: number; output: unknown } | { id: number; error: string };

/** Serves tasks to the process that forked this one, until that one ends. */
export function serveTasks(tasks: Tasks): void {
  process.on("message", (message) => void answer(message as Question));
  process.on("disconnect", () => process.exit());

  async function answer({ id, name, input }: Question): Promise<void> {
    try {
      const task = tasks[name];
      if (task === undefined) throw new Error(`there is no task ${name}`);
      tell({ id, output: await task(input as never) });
    } catch (error) {
      tell({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
}

function tell(answer: Answer): void {
  process.send?.(answer);
}
