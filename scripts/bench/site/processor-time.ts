import { readdir, readFile } from "node:fs/promises";

/** The kernel counts processor time in hundredths of a second. */
const secondsPerTick = 0.01;
const userTicksField = 11;
const parentField = 1;

/** Seconds of processor time that a process has used, in user and kernel mode. */
export async function readProcessorSeconds(pid: number): Promise<number> {
  const fields = await readFields(pid);
  return (Number(fields[userTicksField]) + Number(fields[userTicksField + 1])) * secondsPerTick;
}

/** The same for a server and all of its children that run now: every connection of Postgres is a process. */
export async function readFamilySeconds(pid: number): Promise<number> {
  const seconds = await Promise.all(
    (await readdir("/proc"))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        const fields = await readFields(Number(name)).catch(() => undefined);
        const isFamily = Number(name) === pid || Number(fields?.[parentField]) === pid;
        return isFamily ? readProcessorSeconds(Number(name)).catch(() => 0) : 0;
      }),
  );
  return seconds.reduce((sum, one) => sum + one, 0);
}

/** What `/proc/PID/stat` says after the name, which may hold spaces. */
async function readFields(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
