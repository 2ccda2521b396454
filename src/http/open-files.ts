import type { Log } from "../log.ts";
import { listeningSocketsMax } from "./listen-on-many.ts";

/** Files of the database, the log, and Node itself; and the sockets that listen. */
const filesBesides = 100 + listeningSocketsMax;
/** One for a probe while a client is served. */
const connectionsMin = 2;

/**
 * How many connections the process may hold. Where the system lets it open fewer files than it promises connections, it
 * warns and holds fewer: clients that took all files would leave none for the database's connections. Throws where it could hold
 * none.
 */
export function boundByFiles(
  { connectionsMax, filesMax }: { connectionsMax: number; filesMax: number | undefined },
  log: Log,
): number {
  const needed = connectionsMax + filesBesides;
  if (filesMax === undefined || filesMax >= needed) return connectionsMax;
  const connections = filesMax - filesBesides;
  if (connections < connectionsMin) {
    const filesMin = filesBesides + connectionsMin;
    throw new Error(
      `the system lets this process open ${filesMax} files, and it needs ${filesMin}: raise \`ulimit -n\``,
    );
  }
  log.warn({ event: "open_files_few", files: filesMax, needed, connections });
  return connections;
}

/** How many files this process may have open; undefined where the system sets no limit, or does not tell. */
export function readFilesMax(): number | undefined {
  const report: object = process.report.getReport();
  const limits: unknown = "userLimits" in report ? report.userLimits : undefined;
  if (typeof limits !== "object" || limits === null || !("open_files" in limits)) return undefined;
  const files: unknown = limits.open_files;
  const soft: unknown =
    typeof files === "object" && files !== null && "soft" in files ? files.soft : undefined;
  return soft === undefined || soft === "unlimited" ? undefined : Number(soft);
}
