import { type Command, Option } from "commander";
import { nameSchema } from "../http/name.ts";
import { externalIdSchema } from "../http/organization-reference.ts";
import { changeOrganization, createNamed, type NewNamed } from "./change-organization.ts";
import { link, type LinkOptions, unlink } from "./link-organization.ts";
import { organizationHelp, parseOrganization } from "./organization-argument.ts";
import { parsedBy } from "./parsed-by.ts";
import type { Run } from "./run.ts";
import { type ListOptions, listAll, showOne } from "./show-organization.ts";

const nameHelp = "up to 200 characters; need not be unique";
const externalIdHelp = "your own id for it: 1 to 128 of A–Z a–z 0–9 . _ : @ -";
const parseName = parsedBy(nameSchema.min(1));
const parseExternalId = parsedBy(externalIdSchema);

/** Adds the commands of `organization`. */
export function addOrganizationCommands(program: Command, run: Run): void {
  const organization = program.command("organization").description("who sends usage and pays for it");
  addShowing(organization, run);
  addChanging(organization, run);
  addLinking(organization, run);
}

function addShowing(organization: Command, run: Run): void {
  organization
    .command("list")
    .description("list all organizations, the oldest first")
    .addOption(new Option("--archived", "only those that are archived").conflicts("current"))
    .option("--current", "only those that are not archived")
    .action((options: ListOptions) => run((tools) => listAll(tools, options)));
  organization
    .command("show")
    .description("show an organization with its API keys")
    .argument("<organization>", organizationHelp, parseOrganization)
    .action((reference: string) => run((tools) => showOne(tools, reference)));
}

function addChanging(organization: Command, run: Run): void {
  const change = (name: string, description: string) =>
    organization
      .command(name)
      .description(description)
      .argument("<organization>", organizationHelp, parseOrganization);
  organization
    .command("create")
    .description("create an organization")
    .argument("<name>", nameHelp, parseName)
    .option("--external-id <external-id>", externalIdHelp, parseExternalId)
    .action((name: string, options: NewNamed) => run((tools) => createNamed(tools, name, options)));
  change("rename", "give an organization another name")
    .argument("<name>", nameHelp, parseName)
    .action((reference: string, name: string) =>
      run((tools) => changeOrganization(tools, reference, { name })),
    );
  change("identify", "give an organization an external id, or take it away")
    .argument("[external-id]", `${externalIdHelp}; left out, it is taken away`, parseExternalId)
    .action((reference: string, externalId: string | undefined) =>
      run((tools) => changeOrganization(tools, reference, { externalId: externalId ?? null })),
    );
  change("archive", "end an organization: it takes no readings, sensors or keys any more").action(
    (reference: string) => run((tools) => changeOrganization(tools, reference, { isArchived: true })),
  );
  change("unarchive", "take an archived organization back").action((reference: string) =>
    run((tools) => changeOrganization(tools, reference, { isArchived: false })),
  );
}

function addLinking(organization: Command, run: Run): void {
  organization
    .command("link")
    .description("set which Stripe customer pays for an organization")
    .argument("<organization>", organizationHelp, parseOrganization)
    .argument("<customer>", "Stripe's id, such as cus_123")
    .option("--status <status>", "of the subscription", "active")
    .option("--subscription <id>", "Stripe's id, such as sub_123")
    .option("--period-start <time>", "when the running period began, RFC 3339")
    .option("--period-end <time>", "when it ends")
    .action((reference: string, customer: string, options: LinkOptions) =>
      run((tools) => link(tools, reference, { customer, ...options })),
    );
  organization
    .command("unlink")
    .description("unlink an organization: what it uses from now on is held until there is a customer again")
    .argument("<organization>", organizationHelp, parseOrganization)
    .action((reference: string) => run((tools) => unlink(tools, reference)));
}
