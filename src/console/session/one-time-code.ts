import { isToken } from "./judge-token.ts";

const codeMinutes = 10;

/** Takes a code once, within ten minutes of its making. It is kept in memory only, so another process does not know it. */
export type TakeCode = (code: string, now: Date) => boolean;

export function createOneTimeCode(code: string | undefined, madeAt: Date): TakeCode {
  let isTaken = false;
  const goodUntilMs = madeAt.getTime() + codeMinutes * 60_000;
  return (given, now) => {
    if (isTaken || now.getTime() >= goodUntilMs || !isToken(given, code)) return false;
    isTaken = true;
    return true;
  };
}
