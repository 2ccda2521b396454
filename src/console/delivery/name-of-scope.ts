import { account, type Scope } from "../../delivery/pauses.ts";

/** What is paused, in words. */
export function nameOfScope(scope: Scope): string {
  return scope === account ? "all delivery" : scope;
}
