import type { Command } from "commander";
import type Stripe from "stripe";
import { type CommandTools, connectStripe } from "./command-tools.ts";
import { examine } from "./doctor/examine.ts";
import { organizationHelp, parseOrganization } from "./organization-argument.ts";
import type { Finding } from "../monitoring/checks/finding.ts";
import type { Outcome } from "./outcome.ts";
import type { Run } from "./run.ts";
import { textTable } from "./text-table.ts";

/** Adds `doctor`. */
export function addDoctorCommand(program: Command, run: Run): void {
  program
    .command("doctor")
    .description("look for whatever keeps usage from being billed; changes nothing")
    .option("--verbose", "show what is right, too")
    .option(
      "--organization <id>",
      `tell the node that its rows lie on (${organizationHelp})`,
      parseOrganization,
    )
    .action(({ verbose, organization }: { verbose?: true; organization?: string }) =>
      run(
        (tools) =>
          diagnose(tools, { isVerbose: verbose === true || organization !== undefined, organization }),
        {
          evenWithoutSchema: true,
        },
      ),
    );
}

async function diagnose(
  { config, db, now }: CommandTools,
  { isVerbose, organization }: { isVerbose: boolean; organization: string | undefined },
): Promise<Outcome> {
  const findings = await examine({ config, db, now, stripe: stripeOf(config), organization });
  const problems = findings.filter(({ state }) => state === "problem");
  const isQuiet = findings.every(({ state }) => state === "ok") && !isVerbose;
  const lines = isQuiet ? [] : [textTable(["CHECK", "FOUND", "DETAIL"], findings.map(row)), ""];
  return {
    kind: problems.length > 0 ? "alarming" : "done",
    document: { healthy: problems.length === 0, checks: findings },
    text: [...lines, summary(findings, problems.length)].join("\n"),
  };
}

function stripeOf({ STRIPE_SECRET_KEY, ...config }: CommandTools["config"]): Stripe | undefined {
  return STRIPE_SECRET_KEY === undefined ? undefined : connectStripe({ ...config, STRIPE_SECRET_KEY });
}

function row(finding: Finding): string[] {
  const { check, state, detail } = finding;
  return [check, state, finding.state === "problem" ? `${detail}. To do: ${finding.remedy}` : detail];
}

function summary(findings: readonly Finding[], problems: number): string {
  if (problems > 0) return `${problems} of ${findings.length} checks found a problem`;
  const left = findings.filter(({ state }) => state === "unchecked").length;
  return left === 0 ? `all is well (${findings.length} checks)` : `no problem found, ${left} not checked`;
}
