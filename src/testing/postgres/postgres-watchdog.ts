import { type ChildProcess, spawn } from "node:child_process";

export type Watchdog = { dismiss(): void };

// Standard input ends when the process that holds its other end does, however it dies.
const script = `
read -r _
kill -"$1" "$2" 2>/dev/null
n=0
while kill -0 "$2" 2>/dev/null && [ "$n" -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
[ -z "$3" ] || rm -rf "$3"
`;

/**
 * Ends Postgres, and removes its folder if one is given, when this process ends without having done so, even by
 * SIGKILL. Does nothing on Windows.
 */
export function watchPostgres(target: {
  pid: number;
  signal: "INT" | "QUIT";
  folderToRemove?: string;
}): Watchdog {
  if (process.platform === "win32") return { dismiss() {} };
  const args = ["-c", script, "sh", target.signal, String(target.pid), target.folderToRemove ?? ""];
  const child: ChildProcess = spawn("/bin/sh", args, { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.on("error", () => {});
  child.unref();
  return { dismiss: () => child.kill("SIGKILL") };
}
