import { readFile } from "node:fs/promises";
import { platform } from "node:os";

const kibPerMib = 1_024;

/** Whether the system tells how much memory a process has ever had. */
export const canReadPeakMemory = platform() === "linux";

/** The most memory that a process has had since it began, in MiB: its resident set's high-water mark. */
export function readPeakMemoryMib(pid: number): Promise<number> {
  return readStatusMib(pid, /^VmHWM:\s+(\d+) kB$/m);
}

/** The memory that a process has now, in MiB: its resident set. */
export function readMemoryMib(pid: number): Promise<number> {
  return readStatusMib(pid, /^VmRSS:\s+(\d+) kB$/m);
}

async function readStatusMib(pid: number, line: RegExp): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const kib = line.exec(status)?.[1];
  if (kib === undefined) throw new Error(`the system does not tell the memory of process ${pid}`);
  return Number(kib) / kibPerMib;
}
