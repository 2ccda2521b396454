/** What a server says when sessions that did nothing wrong lose it. */
const trouble =
  /PANIC:.*|terminated by signal.*|terminating any other active server processes|in recovery mode|not yet accepting connections|shutting down|too many clients|connection slots are reserved|out of memory|No space left.*|could not (?:fork|resize).*/;

export type ServerTrouble = {
  /** Takes a piece of the server's log, of whole lines or not. */
  read: (text: string) => void;
  /** Each kind of trouble with how often it came, the first one first. */
  list: () => string[];
};

/** Looks through a server's log for what would explain failures of tests that have nothing in common. */
export function watchServerTrouble(): ServerTrouble {
  const counts = new Map<string, number>();
  let rest = "";
  return {
    read(text) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const found = trouble.exec(line)?.[0];
        if (found !== undefined) counts.set(found, (counts.get(found) ?? 0) + 1);
      }
    },
    list: () => [...counts].map(([found, count]) => `${count} × ${found}`),
  };
}
