import { randomBytes } from "node:crypto";

/** Makes ids such as `req_k3f9x0a1000001`, unique across restarts of the simulator. */
export type NextId = (prefix: string) => string;

/** Creates the id maker of one simulation. */
export function createIds(): NextId {
  // Databases outlive the simulator, so a counter alone would hand out the same ids again after a restart.
  const salt = randomBytes(5).toString("hex");
  let count = 0;
  return (prefix) => {
    count += 1;
    return `${prefix}_${salt}${count.toString(36).padStart(6, "0")}`;
  };
}
