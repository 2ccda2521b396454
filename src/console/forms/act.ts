import { actAs, type OperatorAction } from "../../actions/operator-actions.ts";
import type { Db, Trx } from "../../database/db.ts";
import { Problem } from "../../http/problem.ts";
import type { ConsoleContext } from "../console-env.ts";

const reasonCharsMax = 500;

/** Does what a form asks for and writes down the reader who did it. Throws the 403 for a reader who may only look. */
export async function act<T>(
  { c, db }: { c: ConsoleContext; db: Db },
  work: (trx: Trx) => Promise<T>,
  describe: (result: T) => OperatorAction | undefined,
): Promise<T> {
  requireAdmin(c);
  return actAs({ db, operator: { via: "console", name: c.var.session?.name ?? "" } }, work, describe);
}

/** Throws the 403 for a reader who may only look. */
export function requireAdmin(c: ConsoleContext): void {
  if (mayAct(c)) return;
  const detail = "CONSOLE_TOKEN may only look. Sign in with ADMIN_TOKEN to act.";
  throw new Problem({ status: 403, code: "read_only", detail });
}

/** Whether the pages show forms that act. */
export function mayAct(c: ConsoleContext): boolean {
  return c.var.session?.role === "admin";
}

/** Why it is done, as a form says. Throws the 400 for none, or for a novel. */
export function reasonOf(fields: Record<string, string | undefined>): string {
  const reason = (fields["reason"] ?? "").trim();
  if (reason !== "" && reason.length <= reasonCharsMax) return reason;
  const detail = `A reason is needed, of at most ${reasonCharsMax} characters.`;
  throw new Problem({ status: 400, code: "invalid_request", detail });
}
