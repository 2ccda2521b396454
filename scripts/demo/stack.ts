import { findFreePort } from "../../src/testing/net/free-port.ts";
import { createServiceRoles, urlOfRole } from "../../src/testing/postgres/service-roles.ts";
import { apiVariables, makeSecret, workerVariables } from "./service-variables.ts";
import { sendWebhooks } from "./simulator-control.ts";
import { startStackDatabase } from "./stack-database.ts";
import { runToEnd, startService, type StackSurroundings } from "./stack-process.ts";
import { findSandbox, simulatorAt, type StripeSide } from "./stripe-side.ts";

export type Stack = {
  databaseUrl: string;
  apiUrl: string;
  workerUrl: string;
  adminToken: string;
  /** Opens the console once. */
  signInCode: string;
  stripe: StripeSide;
};

export type DemoStack = Stack & {
  /** Resolves when the worker has said that it is ready. */
  startWorker: () => Promise<void>;
};

/**
 * Starts a real Postgres, the simulator unless there is a sandbox, and the API from a build, each a process of its own,
 * and puts the end of each into the teardown. Resolves when all have said that they are ready, and the simulator sends
 * its events to the API.
 */
export async function startStack(surroundings: StackSurroundings): Promise<DemoStack> {
  const wanted = process.env["DATABASE_BACKEND"];
  const { url: databaseUrl, backend, roles, stop } = await startStackDatabase(wanted);
  surroundings.teardown.add(stop);
  surroundings.signal.throwIfAborted();
  const env = { DATABASE_URL: databaseUrl, DATABASE_BACKEND: backend };
  await runToEnd(surroundings, { name: "migrate", env });
  await createServiceRoles(databaseUrl, roles);
  const stripe = findSandbox(process.env["STRIPE_SECRET_KEY"]) ?? (await startSimulator(surroundings));
  const adminToken = makeSecret("demo");
  const signInCode = makeSecret("code");
  // 0 would turn the worker's port off.
  const workerPort = await findFreePort();
  const webhookSecret = makeSecret("whsec");
  const variables = { adminToken, signInCode, webhookSecret, apiPort: 0, workerPort, stripe };
  const api = await startService(surroundings, {
    name: "api",
    env: apiVariables({ ...variables, databaseUrl: urlOfRole(databaseUrl, roles.api) }),
  });
  const apiUrl = `http://127.0.0.1:${api.port}`;
  if (stripe.kind === "simulator") await sendWebhooks(stripe, { apiUrl, secret: webhookSecret });
  return {
    databaseUrl,
    apiUrl,
    workerUrl: `http://127.0.0.1:${workerPort}`,
    adminToken,
    signInCode,
    stripe,
    startWorker: async () => {
      await startService(surroundings, {
        name: "worker",
        env: workerVariables({ ...variables, databaseUrl: urlOfRole(databaseUrl, roles.worker) }),
      });
    },
  };
}

async function startSimulator(surroundings: StackSurroundings): Promise<StripeSide> {
  const { url } = await startService(surroundings, { name: "simulator", env: { PORT: "0" } });
  if (url === undefined) throw new Error("the simulator does not say where it listens");
  return simulatorAt(url);
}

/** The link that opens the console signed in. */
export function renderConsole({ apiUrl, signInCode }: Pick<Stack, "apiUrl" | "signInCode">): string {
  return `console       ${apiUrl}/console/sign-in?code=${signInCode} (once, within ten minutes)`;
}

/** Where to look while the servers are up. The token opens this run's API only, and dies with it. */
export function renderPlaces(stack: Stack): string {
  const { apiUrl, workerUrl, databaseUrl, adminToken, stripe } = stack;
  const biller =
    stripe.kind === "simulator"
      ? [
          `simulator     ${stripe.apiBase}`,
          `its state     ${stripe.apiBase}/_simulator/state`,
          `its bill      ${stripe.apiBase}/_simulator/bill`,
          `its webhooks  ${stripe.apiBase}/_simulator/webhook_deliveries`,
        ]
      : ["Stripe        https://dashboard.stripe.com/test/customers"];
  return [
    renderConsole(stack),
    `API           ${apiUrl}`,
    `its pages     ${apiUrl}/docs`,
    `outbox        curl -H 'Authorization: Bearer ${adminToken}' ${apiUrl}/v1/outbox`,
    `worker        ${workerUrl}`,
    ...biller,
    `DATABASE_URL  ${databaseUrl}`,
    `ADMIN_TOKEN   ${adminToken}`,
  ].join("\n");
}
