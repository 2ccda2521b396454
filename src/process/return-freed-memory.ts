/**
 * Of blocks at least this large glibc gives each back to the system as soon as it is freed. By itself it raises the
 * bound to megabytes, and pieces of bodies, nearly 64 KiB each, stay with the process for good once they lie between
 * others. The body of a usual request is smaller: a block of its own would cost it 50 µs.
 */
const ownBlockBytesMin = "61440";
const variable = "MALLOC_MMAP_THRESHOLD_";

/**
 * Begins the process again, as itself and with the same id, with the allocator's setting in its environment: it is read
 * only when a process begins. Does nothing where the operator has set it, where the system has no glibc to read it, and
 * under a parent that holds a channel to this process, which would end.
 */
export function returnFreedMemory(): void {
  if (process.platform !== "linux" || process.env[variable] !== undefined || process.send !== undefined)
    return;
  process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    ...process.env,
    [variable]: ownBlockBytesMin,
  });
}
