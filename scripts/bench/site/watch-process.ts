import { setTimeout as sleep } from "node:timers/promises";
import { readMemoryMib } from "./memory.ts";

const probeEveryMs = 100;
const probeTimeoutMs = 30_000;

export type Watched = { probesMs: number[]; memoryMib: number[] };

/** Asks a server how it is ten times a second, each time on a new connection, and how much memory it has. */
export async function watchProcess(
  { pid, url }: { pid: number; url: string },
  until: AbortSignal,
): Promise<Watched> {
  const watched: Watched = { probesMs: [], memoryMib: [] };
  const probes: Promise<void>[] = [];
  while (!until.aborted) {
    probes.push(probe(url).then((ms) => void watched.probesMs.push(ms)));
    watched.memoryMib.push(await readMemoryMib(pid));
    await sleep(probeEveryMs);
  }
  await Promise.all(probes);
  return watched;
}

/** Milliseconds until the answer; what fails counts as the longest wait. */
async function probe(url: string): Promise<number> {
  const startedAtMs = performance.now();
  try {
    const answer = await fetch(`${url}/healthz`, {
      headers: { connection: "close" },
      signal: AbortSignal.timeout(probeTimeoutMs),
    });
    await answer.text();
    return answer.status === 200 ? performance.now() - startedAtMs : probeTimeoutMs;
  } catch (error) {
    console.error(`/healthz: ${error instanceof Error ? error.message : String(error)}`);
    return probeTimeoutMs;
  }
}
