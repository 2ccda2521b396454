import { fileURLToPath } from "node:url";

/**
 * For NODE_COMPILE_CACHE: the same programs are started a hundred times, and each start is otherwise 0.9 s of processor
 * time, two fifths of it to read and compile what has not changed.
 */
export const compileCache = fileURLToPath(
  new URL("../../../node_modules/.cache/meter-outbox-compiled", import.meta.url),
);
