import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { sql } from "kysely";
import { type CliOptions, cliTest } from "./cli-test.ts";
import { listen } from "./listen.ts";

/** A webhook endpoint as Stripe lists it, with every type. */
export const webhookEndpoint = {
  id: "we_1",
  object: "webhook_endpoint",
  url: "https://api.example.com/webhooks/stripe",
  status: "enabled",
  enabled_events: ["*"],
};

/**
 * Vitest's `test` with the doctor, whose patient is well until the test hurts it. What Stripe says at a path can be
 * put there; everything else is the simulator's.
 */
export const doctorTest = cliTest.extend("doctor", async ({ cli, account, database }, { onCleanup }) => {
  for (const kind of ["api", "worker"] as const) {
    await sql`insert into metering.processes (id, kind) values (gen_random_uuid(), ${kind})`.execute(
      database.as(kind).db,
    );
  }
  const said = new Map<string, { status: number; body: object }>();
  const listener = getRequestListener(async (request) => {
    const answer = said.get(new URL(request.url).pathname);
    if (answer === undefined) return account.simulator.app.fetch(request);
    return Response.json(answer.body, { status: answer.status });
  });
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
  const port = await listen(server);
  onCleanup(() => {
    server.closeAllConnections();
    server.close();
  });

  const stripeSays = (path: string, body: object, status = 200) => void said.set(path, { status, body });
  const listEndpoints = (...data: object[]) =>
    stripeSays("/v1/webhook_endpoints", { object: "list", data, has_more: false });
  listEndpoints(webhookEndpoint);

  async function examine({ environment, ...options }: CliOptions = {}, args: readonly string[] = []) {
    const own = { STRIPE_API_BASE: `http://127.0.0.1:${port}`, ...environment };
    return cli(["doctor", ...args], { ...options, environment: own });
  }
  return { examine, stripeSays, listEndpoints };
});
