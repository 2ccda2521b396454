import type Stripe from "stripe";
import type { CliConfig } from "../../config.ts";
import { isPermissionMissing } from "../../stripe/describe-stripe-error.ts";
import { mayWriteInvoices } from "../../stripe/invoices.ts";
import { type Finding, ok, problem } from "../../monitoring/checks/finding.ts";

const check = "invoices";

/** Whether the key may read invoices, as the close of periods does, and write them, as CLOSE_GATE=hold does. */
export async function checkInvoices(
  stripe: Stripe,
  { CLOSE_GATE: gate }: Pick<CliConfig, "CLOSE_GATE">,
): Promise<Finding> {
  if (!(await mayReadInvoices(stripe))) {
    return problem(
      check,
      "the key may not read invoices",
      "let it read Invoices at Stripe: no period is closed without",
    );
  }
  if (gate !== "hold") return ok(check, `the key may read them; CLOSE_GATE=${gate} moves none`);
  if (await mayWriteInvoices(stripe)) return ok(check, "the key may read and move them");
  return problem(
    check,
    "CLOSE_GATE=hold, but the key may not write invoices: none is held",
    "let it write Invoices at Stripe, or set CLOSE_GATE=watch",
  );
}

async function mayReadInvoices(stripe: Stripe): Promise<boolean> {
  try {
    await stripe.invoices.list({ limit: 1 });
    return true;
  } catch (error) {
    if (isPermissionMissing(error)) return false;
    throw error;
  }
}
