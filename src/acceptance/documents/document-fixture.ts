import { mkdtemp, symlink } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { findFreePort } from "../../testing/net/free-port.ts";
import { builtPrograms } from "../../testing/processes/programs.ts";
import type { ServiceProcess } from "../../testing/processes/service-process.ts";
import { adminToken, serviceTest } from "../../testing/fixtures/service-fixture.ts";
import { workerEnvironment } from "../../testing/processes/worker-config.ts";
import type { ProgramFolder } from "./program-folder.ts";
import type { Desk } from "./reader.ts";

const webhookSecret = "whsec_of_the_processes";
const { PATH = "/usr/bin:/bin" } = process.env;

export type Surroundings = { program: ProgramFolder; databaseUrl: string };

/**
 * Vitest's `test` for a reader of the documents: `layDesk` makes a folder and an environment in which commands are
 * typed, with the variables of `.env.example` set and the simulator for Stripe; `openApi` and `openWorker` start the
 * long-running programs at the addresses that the documents name.
 */
export const documentTest = serviceTest
  .extend("layDesk", async ({ account }) => {
    return async ({ program, databaseUrl }: Surroundings): Promise<Desk> => {
      const folder = await mkdtemp(join(program.path, "desk-"));
      for (const name of ["dist", "docs", "node_modules", "package.json"])
        await symlink(join(program.path, name), join(folder, name));
      return {
        folder,
        environment: {
          ...workerEnvironment({ databaseUrl, account }),
          BILLABLE_STATUSES: "active,trialing",
          ...builtPrograms().cache,
          PATH: [dirname(process.execPath), PATH, program.standIns].join(delimiter),
          ADMIN_TOKEN: adminToken,
          OWNER_DATABASE_URL: databaseUrl,
          STRIPE_WEBHOOK_SECRET: webhookSecret,
        },
        addresses: { "127.0.0.1:12111": new URL(account.url).host },
      };
    };
  })
  .extend("openWorker", async ({ launch }) => {
    return async ({ environment, addresses }: Desk): Promise<ServiceProcess> => {
      const worker = launch("worker", { ...environment, WORKER_PORT: String(await findFreePort()) });
      await worker.started();
      addresses["127.0.0.1:3001"] = new URL(worker.url()).host;
      return worker;
    };
  })
  .extend("openApi", async ({ launch, account }) => {
    return async ({ environment, addresses }: Desk): Promise<ServiceProcess> => {
      const api = launch("api", environment);
      await api.started();
      addresses["127.0.0.1:3000"] = new URL(api.url()).host;
      account.simulator.addWebhookEndpoint({
        url: `${api.url()}/webhooks/stripe`,
        secrets: [webhookSecret],
        payload: "both",
      });
      return api;
    };
  });
