import { account, type Scope } from "../../delivery/pauses.ts";

/** The paused scope, in words. */
export function nameOfScope(scope: Scope): string {
  return scope === account ? "all delivery" : scope;
}
