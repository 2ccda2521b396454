import type { Log, LogEvent } from "../log.ts";

const windowMs = 1_000;

type Kind = { leftOut: number; write: ((leftOut: number) => void) | undefined };

/**
 * A logger that writes at most one line a second for each kind of answer 503, with how many were left out since the
 * line before (`left_out`): while the database is away every request ends so. Every other line passes.
 */
export function thinOut(whole: Log): Log {
  const kinds = new Map<string, Kind>();

  function offer(name: string, write: (leftOut: number) => void): void {
    const kind = kinds.get(name);
    if (kind === undefined) {
      write(0);
      kinds.set(name, { leftOut: -1, write: undefined });
      setTimeout(endWindow, windowMs, name).unref();
      return;
    }
    kind.leftOut += 1;
    kind.write = write;
  }

  function endWindow(name: string): void {
    const kind = kinds.get(name);
    kinds.delete(name);
    if (kind?.write === undefined) return;
    offer(name, () => kind.write?.(kind.leftOut));
  }

  const thin = (level: keyof Log) => (fields: LogEvent) => {
    if (fields["status"] !== 503) return whole[level](fields);
    offer(`${fields.event} ${String(fields["code"])}`, (leftOut) =>
      whole[level](leftOut === 0 ? fields : { ...fields, left_out: leftOut }),
    );
  };
  return { debug: thin("debug"), info: thin("info"), warn: thin("warn"), error: thin("error") };
}
