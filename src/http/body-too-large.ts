import { Problem } from "./problem.ts";

/** The 413 for a body of more than so many bytes. */
export function bodyTooLarge(bytesMax: number): Problem {
  const detail = `The body is larger than ${bytesMax} bytes.`;
  return new Problem({ status: 413, code: "body_too_large", detail });
}
