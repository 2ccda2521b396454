import { readdir, readFile } from "node:fs/promises";

/** The kernel counts processor time in hundredths of a second. */
const secondsPerTick = 0.01;
const userTicksField = 11;
const parentField = 1;

/** Seconds of processor time that a process has used, in user and kernel mode. */
export async function readProcessorSeconds(pid: number): Promise<number> {
  return sumTicks(await readFields(pid), 2) * secondsPerTick;
}

/**
 * The same for a server and all of its children, also ended ones: every connection of Postgres is a process, and the
 * kernel adds its time to the server's when it has ended.
 */
export async function readFamilySeconds(pid: number): Promise<number> {
  const children = await Promise.all(
    (await readdir("/proc"))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        const fields = await readFields(Number(name)).catch(() => []);
        return Number(fields[parentField]) === pid ? sumTicks(fields, 2) : 0;
      }),
  );
  return children.reduce((sum, ticks) => sum + ticks, sumTicks(await readFields(pid), 4)) * secondsPerTick;
}

/** Of its own time in user and kernel mode, then of its ended children's. */
function sumTicks(fields: readonly string[], count: 2 | 4): number {
  return fields.slice(userTicksField, userTicksField + count).reduce((sum, ticks) => sum + Number(ticks), 0);
}

/** What `/proc/PID/stat` says after the name, which may hold spaces. */
async function readFields(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}
