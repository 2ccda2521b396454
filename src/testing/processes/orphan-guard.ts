import { spawn } from "node:child_process";

export type OrphanGuard = {
  /** Puts a process, with all of its process group, under guard. */
  watch: (pid: number) => void;
  dismiss: () => void;
};

// The processes come in by their ids, one a line. The input ends when the process that writes it does, however it dies.
// No "--" before the negative ids of groups: Debian's shell takes it for a process.
const script = `
signal=$1
shift
pids=
while read -r pid; do pids="$pids $pid"; done
kill -"$signal" $pids 2>/dev/null
for pid in $pids; do
  n=0
  while kill -0 "-$pid" 2>/dev/null && [ "$n" -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
  kill -KILL "-$pid" 2>/dev/null
done
rm -rf "$@"
`;

export type OrphanGuardOptions = {
  /** Asks a process to end; five seconds later its group is killed. */
  signal?: "TERM" | "INT" | "QUIT";
  foldersToRemove?: readonly string[];
};

/**
 * Ends the processes that are watched, and removes the folders, when this process is gone without having done so, even
 * by SIGKILL. Each leads a process group of its own. Does nothing on Windows.
 */
export function startOrphanGuard({
  signal = "TERM",
  foldersToRemove = [],
}: OrphanGuardOptions = {}): OrphanGuard {
  if (process.platform === "win32") return { watch() {}, dismiss() {} };
  const shell = spawn("/bin/sh", ["-c", script, "sh", signal, ...foldersToRemove], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // A system without this shell runs all the same, unguarded.
  shell.on("error", () => {});
  shell.stdin.on("error", () => {});
  shell.unref();
  return {
    watch: (pid) => void shell.stdin.write(`${pid}\n`),
    dismiss: () => void shell.kill("SIGKILL"),
  };
}
