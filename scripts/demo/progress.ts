const plainLineEveryMs = 1_000;
const columnsDefault = 80;
const clearLine = "\r\u001B[2K";

export type Progress = {
  /** Replaces the line shown before; where no line can be replaced, adds one now and then. */
  show: (text: string) => void;
  /** Writes a line that stays. */
  say: (text: string) => void;
  /** Leaves the last text that was shown standing. */
  end: () => void;
};

export type ProgressOutput = {
  isTTY?: boolean;
  columns?: number;
  write: (text: string) => unknown;
};

/** Writes progress: one line rewritten on a terminal, a line every second elsewhere. `nowMs` is a running clock. */
export function createProgress(output: ProgressOutput, nowMs: () => number): Progress {
  let shown = "";
  let isWritten = true;
  let writtenAtMs = Number.NEGATIVE_INFINITY;

  function show(text: string): void {
    if (text === shown) return;
    shown = text;
    isWritten = false;
    if (output.isTTY === true) {
      output.write(`${clearLine}${text.slice(0, (output.columns ?? columnsDefault) - 1)}`);
    } else if (nowMs() - writtenAtMs >= plainLineEveryMs) {
      writeShown();
    }
  }
  function writeShown(): void {
    output.write(`${shown}\n`);
    isWritten = true;
    writtenAtMs = nowMs();
  }
  function end(): void {
    if (isWritten) return;
    if (output.isTTY === true) output.write(clearLine);
    writeShown();
  }
  function say(text: string): void {
    end();
    output.write(`${text}\n`);
  }
  return { show, say, end };
}
